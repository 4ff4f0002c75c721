// What an administrator does to an account: unlock, reset the password, end all sessions, deactivate, erase.
import { useState } from 'react';
import { useNavigate } from 'react-router';
import { useAction } from '../api/useAction';
import { graphql } from '../generated';
import type { DeedsFragment } from '../generated/graphql';
import { ActionForm } from '../parts/ActionForm';
import { ConfirmButton } from '../parts/ConfirmButton';
import { Secret, SHOWN_ONCE } from '../parts/Secret';
import { Time } from '../parts/Time';
import { Cancel, Window } from '../parts/Window';
import { useViewer } from '../shell/viewer';

graphql(`
  fragment Deeds on User {
    id
    displayName
    active
    locked
    lockedUntil
    failedLoginAttempts
    mustChangePassword
  }
`);

const UNLOCK = graphql(`
  mutation UnlockUser($input: UnlockUserInput!) {
    unlockUser(input: $input) {
      user {
        ...Deeds
      }
      errors {
        code
        message
        path
      }
    }
  }
`);

const DEACTIVATE = graphql(`
  mutation DeactivateUser($input: DeactivateUserInput!) {
    deactivateUser(input: $input) {
      user {
        ...Deeds
      }
      errors {
        code
        message
        path
      }
    }
  }
`);

const REACTIVATE = graphql(`
  mutation ReactivateUser($input: ReactivateUserInput!) {
    reactivateUser(input: $input) {
      user {
        ...Deeds
      }
      errors {
        code
        message
        path
      }
    }
  }
`);

const REVOKE_ALL = graphql(`
  mutation RevokeUserSessions($input: RevokeUserSessionsInput!) {
    revokeUserSessions(input: $input) {
      revokedSessions
      errors {
        code
        message
        path
      }
    }
  }
`);

const DELETE = graphql(`
  mutation DeleteUser($input: DeleteUserInput!) {
    deleteUser(input: $input) {
      deletedId
      errors {
        code
        message
        path
      }
    }
  }
`);

const RESET_PASSWORD = graphql(`
  mutation ResetUserPassword($input: ResetUserPasswordInput!) {
    resetUserPassword(input: $input) {
      user {
        ...Deeds
      }
      temporaryPassword
      temporaryPasswordExpiresAt
      errors {
        code
        message
        path
      }
    }
  }
`);

export function Deeds({ user }: { user: DeedsFragment }) {
  const viewer = useViewer();
  const navigate = useNavigate();
  const { id, displayName } = user;
  // One's own account one administers under "My account".
  if (viewer.id === id || !viewer.may('user:update')) return null;
  return (
    <div className="toolbar" role="toolbar" aria-label="The account">
      {user.locked && (
        <ConfirmButton
          label="Unlock"
          question={`${displayName} can try again at once.`}
          done={`${displayName} is unlocked.`}
          document={UNLOCK}
          input={() => ({ id })}
        />
      )}
      <ResetPassword user={user} />
      <ConfirmButton
        label="End all sessions"
        question={`${displayName} will be signed out everywhere at once.`}
        done="The sessions have ended."
        document={REVOKE_ALL}
        input={(reason) => ({ user: id, reason })}
        asksReason
      />
      {user.active ? (
        <ConfirmButton
          label="Deactivate"
          question={`${displayName} will be signed out at once and cannot sign in again until reactivated.`}
          done={`${displayName} is deactivated.`}
          document={DEACTIVATE}
          input={(reason) => ({ id, reason })}
          asksReason
          danger
        />
      ) : (
        <ConfirmButton
          label="Reactivate"
          question={`${displayName} can sign in again.`}
          done={`${displayName} is active again.`}
          document={REACTIVATE}
          input={() => ({ id })}
        />
      )}
      {viewer.may('user:delete') && (
        <ConfirmButton
          label="Erase"
          question={`Everything about ${displayName} is erased for good; the audit trail keeps only the id.`}
          done={`${displayName} was erased.`}
          document={DELETE}
          input={() => ({ id })}
          danger
          onDone={() => void navigate('/users')}
        />
      )}
    </div>
  );
}

function ResetPassword({ user: { id, displayName } }: { user: DeedsFragment }) {
  const [open, setOpen] = useState(false);
  const [made, setMade] = useState<{ password: string; expiresAt: string | null } | null>(null);
  const { run, outcome, clear } = useAction(RESET_PASSWORD);
  function close() {
    setOpen(false);
    setMade(null);
    clear();
  }
  async function submit() {
    const payload = await run({ input: { id } });
    if (payload?.temporaryPassword == null) return;
    setMade({ password: payload.temporaryPassword, expiresAt: payload.temporaryPasswordExpiresAt ?? null });
  }
  return (
    <>
      <button type="button" onClick={() => void setOpen(true)}>
        Reset password
      </button>
      <Window title="Reset password" open={open} busy={outcome.running} holds={made === null ? undefined : SHOWN_ONCE} onClose={close}>
        {made === null ? (
          <ActionForm outcome={outcome} submitLabel="Reset password" onSubmit={() => void submit()} beside={<Cancel onClose={close} busy={outcome.running} />}>
            <p>{displayName} will be signed out everywhere, and gets a temporary password that must be changed at the next sign-in, within 24 hours.</p>
          </ActionForm>
        ) : (
          <>
            <Secret
              label={
                <>
                  The temporary password of {displayName} must be changed at the next sign-in, which must be before <Time at={made.expiresAt} />.
                </>
              }
              value={made.password}
            />
            <div className="actions">
              <Cancel onClose={close}>Close</Cancel>
            </div>
          </>
        )}
      </Window>
    </>
  );
}

// One's own account: password, and the sessions one is signed in with.
import { useState } from 'react';
import { useQuery } from 'urql';
import { refusalOf, useAction } from '../api/useAction';
import { usePages } from '../api/usePages';
import { graphql } from '../generated';
import { ActionForm } from '../parts/ActionForm';
import { Field, Tick } from '../parts/fields';
import { useNotice } from '../parts/Notice';
import { Failure } from '../parts/states';
import { SessionRows } from '../sessions/SessionRows';
import { useSession } from '../shell/session';
import { useViewer, VIEWER } from '../shell/viewer';

const OWN_SESSIONS = graphql(`
  query OwnSessions($first: Int, $after: String) {
    me {
      id
      sessions(first: $first, after: $after, filter: { status: ACTIVE }) {
        nodes {
          ...SessionRow
        }
        pageInfo {
          hasNextPage
          endCursor
        }
      }
    }
  }
`);

const CHANGE_PASSWORD = graphql(`
  mutation ChangePassword($input: ChangePasswordInput!) {
    changePassword(input: $input) {
      user {
        id
        mustChangePassword
        passwordChangedAt
      }
      errors {
        code
        message
        path
      }
    }
  }
`);

const SIGN_OUT_EVERYWHERE = graphql(`
  mutation SignOutEverywhere {
    logout(input: { allSessions: true }) {
      revokedSessions
      errors {
        code
        message
        path
      }
    }
  }
`);

export default function AccountPage() {
  const viewer = useViewer();
  const session = useSession();
  const everywhere = useAction(SIGN_OUT_EVERYWHERE);
  const refused = refusalOf(everywhere.outcome);
  return (
    <>
      <div className="head">
        <h1>My account</h1>
        <p className="count">
          {viewer.displayName} · {viewer.email}
        </p>
        <button type="button" onClick={() => void everywhere.run({}).then((payload) => payload !== null && session.forget())}>
          Sign out everywhere
        </button>
      </div>
      {refused !== null && <Failure message={refused} />}
      <ChangePassword />
      {/* Nothing else is answered until a temporary password is changed, where that is demanded. */}
      <OwnSessions />
    </>
  );
}

function OwnSessions() {
  const pages = usePages(OWN_SESSIONS, {}, (data) => data.me?.sessions);
  return (
    <section className="card" aria-labelledby="own-sessions">
      <h2 id="own-sessions">Where I am signed in</h2>
      <SessionRows label="My sessions" pages={pages} ofOneUser />
    </section>
  );
}

function ChangePassword() {
  const { mustChangePassword } = useViewer();
  const { run, outcome } = useAction(CHANGE_PASSWORD);
  const [, look] = useQuery({ query: VIEWER, pause: true });
  const [changes, setChanges] = useState(0);
  const tell = useNotice();
  async function submit(values: FormData) {
    const input = {
      currentPassword: String(values.get('currentPassword')),
      newPassword: String(values.get('newPassword')),
      revokeOtherSessions: values.has('revokeOtherSessions'),
    };
    if ((await run({ input })) === null) return;
    // An emptied form.
    setChanges(changes + 1);
    look({ requestPolicy: 'network-only' });
    tell('Your password has been changed.');
  }
  return (
    <section className="card" aria-labelledby="password">
      <h2 id="password">Password</h2>
      {mustChangePassword && <p className="banner">Your password is a temporary one. Choose one of your own.</p>}
      <ActionForm key={changes} outcome={outcome} submitLabel="Change password" onSubmit={(values) => void submit(values)}>
        <Field name="currentPassword" type="password" label="Current password" autoComplete="current-password" isRequired />
        <Field
          name="newPassword"
          type="password"
          label="New password"
          autoComplete="new-password"
          isRequired
          hint="8 characters or more; no common one, and not your own name or email address."
        />
        <Tick name="revokeOtherSessions" defaultChecked>
          End my other sessions
        </Tick>
      </ActionForm>
    </section>
  );
}

// Adds a user. Without a password of one's own choice, the service makes one and shows it once.
import { useState } from 'react';
import { Link } from 'react-router';
import { useAction } from '../api/useAction';
import { graphql } from '../generated';
import { HotelsField } from '../hotels/HotelsField';
import { ActionForm } from '../parts/ActionForm';
import { Choice, Field, textOf, Tick } from '../parts/fields';
import { Secret, SHOWN_ONCE } from '../parts/Secret';
import { Time } from '../parts/Time';
import { Cancel, Window } from '../parts/Window';
import { RolesField } from '../roles/RolesField';
import { useViewer } from '../shell/viewer';

const CREATE_USER = graphql(`
  mutation CreateUser($input: CreateUserInput!) {
    createUser(input: $input) {
      user {
        ...UserRow
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

interface Made {
  id: string;
  name: string;
  /** Null where the administrator chose one. */
  password: string | null;
  expiresAt: string | null;
}

export function CreateUser() {
  const [open, setOpen] = useState(false);
  const [made, setMade] = useState<Made | null>(null);
  const { run, outcome, clear } = useAction(CREATE_USER);
  const { hotelScope } = useViewer();

  function close() {
    setOpen(false);
    setMade(null);
    clear();
  }
  async function submit(values: FormData) {
    const payload = await run({
      input: {
        email: String(values.get('email')),
        firstName: textOf(values, 'firstName'),
        lastName: textOf(values, 'lastName'),
        password: textOf(values, 'password'),
        emailVerified: values.has('emailVerified'),
        hotelScope: values.get('hotelScope') === 'ALL' ? 'ALL' : 'ASSIGNED',
        roles: values.getAll('roles').map(String),
        hotels: values.getAll('hotels').map(String),
      },
    });
    if (payload?.user != null) {
      const { user, temporaryPassword, temporaryPasswordExpiresAt } = payload;
      setMade({ id: user.id, name: user.displayName, password: temporaryPassword ?? null, expiresAt: temporaryPasswordExpiresAt ?? null });
    }
  }
  const kept = made?.password === null ? null : SHOWN_ONCE;
  const until = (
    <>
      The password must be changed at the first sign-in, which must be before <Time at={made?.expiresAt} />.
    </>
  );

  return (
    <>
      <button type="button" className="primary" onClick={() => void setOpen(true)}>
        Add a user
      </button>
      <Window title={made === null ? 'Add a user' : `${made.name} was added`} open={open} busy={outcome.running} holds={made === null ? undefined : kept} onClose={close}>
        {made === null ? (
          <ActionForm outcome={outcome} submitLabel="Add" onSubmit={(values) => void submit(values)} beside={<Cancel onClose={close} busy={outcome.running} />}>
            <Field name="email" type="email" label="Email" isRequired autoFocus />
            <div className="pair">
              <Field name="firstName" label="First name" />
              <Field name="lastName" label="Last name" />
            </div>
            <Field
              name="password"
              type="password"
              label="Password"
              autoComplete="new-password"
              hint="Leave it empty to have one made. Either must be changed at the first sign-in, within 24 hours."
            />
            <Tick name="emailVerified" defaultChecked>
              The email address is known to be theirs
            </Tick>
            <Choice
              label="Reaches"
              name="hotelScope"
              options={[['ASSIGNED', 'The hotels assigned'], ...(hotelScope === 'ALL' ? [['ALL', 'Every hotel'] as [string, string]] : [])]}
            />
            <RolesField name="roles" />
            <HotelsField label="Add a hotel" name="hotels" />
          </ActionForm>
        ) : (
          <>
            {made.password === null ? <p>{until}</p> : <Secret label={until} value={made.password} />}
            <div className="actions">
              <Link to={`/users/${made.id}`} onClick={close}>
                Show {made.name}
              </Link>
              <Cancel onClose={close}>Close</Cancel>
            </div>
          </>
        )}
      </Window>
    </>
  );
}

// Names, email address, and which hotels are reached. What was not changed here is not sent: somebody else may have changed it.
// Only a new address takes with it whether it is verified: the service would hold it for one that is not.
import { useState } from 'react';
import { useAction } from '../api/useAction';
import { graphql } from '../generated';
import type { ProfileFragment, UpdateUserInput } from '../generated/graphql';
import { ActionForm } from '../parts/ActionForm';
import { Choice, Field, textOf, Tick } from '../parts/fields';
import { useNotice } from '../parts/Notice';
import { useViewer } from '../shell/viewer';

graphql(`
  fragment Profile on User {
    id
    email
    emailVerified
    firstName
    lastName
    displayName
    hotelScope
  }
`);

const UPDATE_USER = graphql(`
  mutation UpdateUser($input: UpdateUserInput!) {
    updateUser(input: $input) {
      user {
        ...Profile
      }
      errors {
        code
        message
        path
      }
    }
  }
`);

export function Profile({ user }: { user: ProfileFragment }) {
  const viewer = useViewer();
  const { run, outcome } = useAction(UPDATE_USER);
  const tell = useNotice();
  const mayAll = viewer.may('user:update');
  const mayNames = mayAll || viewer.id === user.id;
  /** What the fields held when they were shown or saved last. */
  const [began, setBegan] = useState({ ...user, firstName: user.firstName ?? null, lastName: user.lastName ?? null });
  const [verified, setVerified] = useState(user.emailVerified);

  async function submit(values: FormData) {
    const typed: Omit<UpdateUserInput, 'id'> = { firstName: textOf(values, 'firstName'), lastName: textOf(values, 'lastName') };
    if (mayAll) {
      typed.email = String(values.get('email'));
      typed.emailVerified = verified;
      if (values.has('hotelScope')) typed.hotelScope = values.get('hotelScope') === 'ALL' ? 'ALL' : 'ASSIGNED';
    }
    const input: UpdateUserInput = { id: user.id };
    const differs = Object.entries(typed).filter(([name, value]) => value !== began[name as keyof typeof typed]);
    Object.assign(input, Object.fromEntries(differs));
    if (input.email !== undefined) input.emailVerified = typed.emailVerified;
    const payload = await run({ input });
    if (payload === null) return;
    const saved = payload.user?.emailVerified ?? verified;
    setBegan({ ...began, ...(typed as typeof began), emailVerified: saved });
    // Somebody else may have said otherwise meanwhile; so may the person at the screen, who is not contradicted.
    setVerified((now) => (now === verified ? saved : now));
    tell('The profile has been changed.');
  }

  return (
    <section className="card" aria-labelledby="profile">
      <h2 id="profile">Profile</h2>
      <ActionForm outcome={outcome} submitLabel="Save" onSubmit={(values) => void submit(values)}>
        <div className="pair">
          <Field name="firstName" label="First name" defaultValue={user.firstName ?? ''} isReadOnly={!mayNames} />
          <Field name="lastName" label="Last name" defaultValue={user.lastName ?? ''} isReadOnly={!mayNames} />
        </div>
        <Field name="email" type="email" label="Email" defaultValue={user.email} isRequired isReadOnly={!mayAll} />
        {mayAll && (
          <Tick name="emailVerified" checked={verified} onChange={setVerified}>
            The email address is known to be theirs
          </Tick>
        )}
        {mayAll && viewer.hotelScope === 'ALL' && (
          <Choice
            label="Reaches"
            name="hotelScope"
            defaultValue={user.hotelScope}
            options={[
              ['ASSIGNED', 'The hotels assigned'],
              ['ALL', 'Every hotel'],
            ]}
          />
        )}
      </ActionForm>
    </section>
  );
}

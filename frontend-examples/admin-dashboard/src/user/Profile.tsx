// Names, email address, and which hotels are reached. What was not changed here is not sent: somebody else may have changed it.
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
  /** What the fields began with. */
  const [shown, setShown] = useState(user);

  async function submit(values: FormData) {
    const typed: Omit<UpdateUserInput, 'id'> = { firstName: textOf(values, 'firstName'), lastName: textOf(values, 'lastName') };
    if (mayAll) {
      typed.email = String(values.get('email'));
      typed.emailVerified = values.has('emailVerified');
      if (values.has('hotelScope')) typed.hotelScope = values.get('hotelScope') === 'ALL' ? 'ALL' : 'ASSIGNED';
    }
    const changed = Object.entries(typed).filter(([name, value]) => value !== (shown[name as keyof typeof typed] ?? null));
    const payload = await run({ input: { id: user.id, ...Object.fromEntries(changed) } });
    if (payload === null) return;
    if (payload.user != null) setShown(payload.user);
    tell('The profile has been changed.');
  }

  return (
    <section className="card" aria-labelledby="profile">
      <h2 id="profile">Profile</h2>
      <ActionForm outcome={outcome} submitLabel="Save" onSubmit={(values) => void submit(values)}>
        <div className="pair">
          <Field name="firstName" label="First name" defaultValue={shown.firstName ?? ''} isReadOnly={!mayNames} />
          <Field name="lastName" label="Last name" defaultValue={shown.lastName ?? ''} isReadOnly={!mayNames} />
        </div>
        <Field name="email" type="email" label="Email" defaultValue={shown.email} isRequired isReadOnly={!mayAll} />
        {mayAll && (
          <Tick name="emailVerified" defaultChecked={shown.emailVerified}>
            The email address is known to be theirs
          </Tick>
        )}
        {mayAll && viewer.hotelScope === 'ALL' && (
          <Choice
            label="Reaches"
            name="hotelScope"
            defaultValue={shown.hotelScope}
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

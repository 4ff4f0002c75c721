// Names, email address, and which hotels are reached.
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

  async function submit(values: FormData) {
    const input: UpdateUserInput = { id: user.id, firstName: textOf(values, 'firstName'), lastName: textOf(values, 'lastName') };
    if (mayAll) {
      input.email = String(values.get('email'));
      input.emailVerified = values.has('emailVerified');
      if (values.has('hotelScope')) input.hotelScope = values.get('hotelScope') === 'ALL' ? 'ALL' : 'ASSIGNED';
    }
    if ((await run({ input })) !== null) tell('The profile has been changed.');
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
          <Tick name="emailVerified" defaultChecked={user.emailVerified}>
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

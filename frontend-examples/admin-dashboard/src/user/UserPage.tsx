// One user: who it is, what they may do and where, their sessions, and what happened.
import { useParams } from 'react-router';
import { useAnswer } from '../api/useAnswer';
import { graphql } from '../generated';
import { Failure, Loading } from '../parts/states';
import { Time } from '../parts/Time';
import { useViewer } from '../shell/viewer';
import { UserStatus } from '../users/UserStatus';
import { Access } from './Access';
import { Activity } from './Activity';
import { Deeds } from './Deeds';
import { Profile } from './Profile';
import { UserSessions } from './UserSessions';

const USER = graphql(`
  query User($id: ID!) {
    user(by: { id: $id }) {
      id
      displayName
      email
      lastLoginAt
      createdAt
      ...UserStatus
      ...Profile
      ...Access
      ...Deeds
    }
  }
`);

/** Another person is another page: nothing that was typed, opened or asked about one of them is left for the next. */
export default function UserPage() {
  const { id = '' } = useParams();
  return <OneUser key={id} id={id} />;
}

function OneUser({ id }: { id: string }) {
  const { may, id: me } = useViewer();
  const [{ data, error, fetching }, look] = useAnswer({ query: USER, variables: { id } });
  if (error !== undefined && data?.user == null) return <Failure error={error} retry={look} />;
  if (fetching && data === undefined) return <Loading />;
  const user = data?.user;
  if (user == null) return <Failure message="There is no such user, or none that you may see." />;
  return (
    <>
      <div className="head">
        <h1>{user.displayName}</h1>
        <UserStatus user={user} />
        <p className="count">
          {user.email}
          {(may('user:view') || user.id === me) && (
            <>
              {' '}
              · last sign-in: <Time at={user.lastLoginAt} />
            </>
          )}{' '}
          · since <Time at={user.createdAt} />
        </p>
      </div>
      <Deeds user={user} />
      <div className="cards">
        <Profile user={user} />
        <Access user={user} />
      </div>
      <UserSessions user={user.id} />
      <Activity subject={user.id} />
    </>
  );
}

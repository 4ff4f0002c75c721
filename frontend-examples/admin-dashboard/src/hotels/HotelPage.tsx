// One hotel and its staff.
import { useState } from 'react';
import { useParams } from 'react-router';
import { useAnswer } from '../api/useAnswer';
import { usePages } from '../api/usePages';
import { graphql } from '../generated';
import type { StaffRowFragment } from '../generated/graphql';
import { Badge } from '../parts/Badge';
import { Rows, type RowsColumn } from '../parts/Rows';
import { Failure, Loading } from '../parts/states';
import { Time } from '../parts/Time';
import { useViewer } from '../shell/viewer';
import { UserStatus } from '../users/UserStatus';
import { HotelWindow } from './HotelWindow';

graphql(`
  fragment StaffRow on User {
    id
    displayName
    email
    lastLoginAt
    ...UserStatus
    roles {
      id
      displayName
    }
  }
`);

const HOTEL = graphql(`
  query Hotel($id: ID!) {
    hotel(by: { id: $id }) {
      ...HotelRow
      address
    }
  }
`);

const STAFF = graphql(`
  query Staff($first: Int, $after: String, $id: ID!) {
    hotel(by: { id: $id }) {
      id
      users(first: $first, after: $after, orderBy: { field: LAST_NAME }) {
        nodes {
          ...StaffRow
        }
        pageInfo {
          hasNextPage
          endCursor
        }
      }
    }
  }
`);

const COLUMNS: RowsColumn<StaffRowFragment>[] = [
  { id: 'name', title: 'Name', cell: ({ displayName }) => displayName },
  { id: 'email', title: 'Email', cell: ({ email }) => email },
  { id: 'status', title: 'Status', width: 130, cell: (user) => <UserStatus user={user} /> },
  { id: 'roles', title: 'Roles', cell: ({ roles }) => roles.map((role) => role.displayName).join(', ') },
  { id: 'last', title: 'Last sign-in', width: 205, cell: ({ lastLoginAt }) => <Time at={lastLoginAt} /> },
];

/** Another hotel is another page: nothing that was typed, opened or asked about one of them is left for the next. */
export default function HotelPage() {
  const { id = '' } = useParams();
  return <OneHotel key={id} id={id} />;
}

function OneHotel({ id }: { id: string }) {
  const { may } = useViewer();
  const [{ data, error, fetching }, look] = useAnswer({ query: HOTEL, variables: { id } });
  const pages = usePages(STAFF, { id }, (answer) => answer.hotel?.users);
  const [changing, setChanging] = useState(false);
  if (error !== undefined && data?.hotel == null) return <Failure error={error} retry={look} />;
  if (fetching && data === undefined) return <Loading />;
  const hotel = data?.hotel;
  if (hotel == null) return <Failure message="There is no such hotel, or none that you reach." />;
  return (
    <>
      <div className="head">
        <h1>{hotel.name}</h1>
        {!hotel.active && <Badge tone="bad">Inactive</Badge>}
        <p className="count">
          <code>{hotel.pmsHotelId}</code> · {[hotel.brand, hotel.address, hotel.city, hotel.country, hotel.pmsType].filter(Boolean).join(' · ')}
        </p>
        {may('hotel:update') && (
          <button type="button" onClick={() => void setChanging(true)}>
            Change
          </button>
        )}
      </div>
      <h2>Staff</h2>
      <Rows label="Staff" pages={pages} columns={COLUMNS} empty="Nobody may access this hotel." href={(user) => `/users/${user.id}`} />
      {changing && <HotelWindow hotel={hotel} onClose={() => void setChanging(false)} />}
    </>
  );
}

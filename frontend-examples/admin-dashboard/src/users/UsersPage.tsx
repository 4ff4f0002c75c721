// All users one may see: searched as one types, filtered, sorted, without end, and given or stripped of roles and hotels in bulk.
// What is looked for stands in the address bar, so that it can be sent to somebody.
import { useState } from 'react';
import type { Selection } from 'react-aria-components';
import { useQuery } from 'urql';
import { usePages } from '../api/usePages';
import { graphql } from '../generated';
import type { UserRowFragment } from '../generated/graphql';
import { Rows, type RowsColumn } from '../parts/Rows';
import { Time } from '../parts/Time';
import { useViewer } from '../shell/viewer';
import { BulkAssignment } from './BulkAssignment';
import { CreateUser } from './CreateUser';
import { UserFilters } from './UserFilters';
import { UserStatus } from './UserStatus';
import { useUserSearch } from './search';

graphql(`
  fragment UserRow on User {
    id
    displayName
    email
    lastLoginAt
    createdAt
    hotelScope
    ...UserStatus
    roles {
      id
      displayName
    }
    hotels(first: 3) {
      nodes {
        id
        name
      }
      pageInfo {
        hasNextPage
      }
    }
  }
`);

const USERS = graphql(`
  query Users($first: Int, $after: String, $filter: UserFilter, $orderBy: UserOrder) {
    users(first: $first, after: $after, filter: $filter, orderBy: $orderBy) {
      nodes {
        ...UserRow
      }
      pageInfo {
        hasNextPage
        endCursor
      }
    }
  }
`);

/** Counting stops here: nobody reads further, and a count of a million rows takes its time. */
const COUNTED = 10_000;

const USER_COUNT = graphql(`
  query UserCount($filter: UserFilter, $atMost: Int) {
    users(first: 1, filter: $filter) {
      totalCount(atMost: $atMost)
    }
  }
`);

const COLUMNS: RowsColumn<UserRowFragment>[] = [
  { id: 'LAST_NAME', title: 'Name', sortable: true, cell: (user) => user.displayName },
  { id: 'EMAIL', title: 'Email', sortable: true, least: 230, cell: (user) => user.email },
  { id: 'status', title: 'Status', width: 125, cell: (user) => <UserStatus user={user} /> },
  { id: 'roles', title: 'Roles', cell: (user) => user.roles.map((role) => role.displayName).join(', ') },
  { id: 'hotels', title: 'Hotels', cell: hotelsOf },
  { id: 'LAST_LOGIN_AT', title: 'Last sign-in', sortable: true, width: 205, cell: (user) => <Time at={user.lastLoginAt} /> },
];

function hotelsOf({ hotelScope, hotels }: UserRowFragment): string {
  if (hotelScope === 'ALL') return 'All hotels';
  const names = hotels.nodes.map((hotel) => hotel.name).join(', ');
  return hotels.pageInfo.hasNextPage ? `${names}, …` : names;
}

/** What is chosen, and of which list. */
const NOTHING = { of: '', ids: new Set<string | number>() };

export default function UsersPage() {
  const { may } = useViewer();
  const search = useUserSearch();
  const { filter, orderBy } = search;
  const pages = usePages(USERS, { filter, orderBy }, (data) => data.users);
  const [{ data }] = useQuery({ query: USER_COUNT, variables: { filter, atMost: COUNTED + 1 } });
  const [selection, setSelection] = useState(NOTHING);
  // Chosen in another list, of other people.
  if (selection.of !== pages.key && selection !== NOTHING) setSelection(NOTHING);
  const chosen = pages.nodes.filter(({ id }) => selection.ids.has(id));
  // "All" is all that one saw when one said so: more rows come as one scrolls, and others when one searches.
  const select = (next: Selection) => {
    setSelection({ of: pages.key, ids: next === 'all' ? new Set(pages.nodes.map(({ id }) => id)) : next });
  };
  const count = data?.users.totalCount;

  return (
    <>
      <div className="head">
        <h1>Users</h1>
        {count !== undefined && <p className="count">{count > COUNTED ? `more than ${COUNTED.toLocaleString()}` : count.toLocaleString()}</p>}
        {may('user:create') && <CreateUser />}
      </div>
      <UserFilters search={search} />
      {chosen.length > 0 && <BulkAssignment users={chosen} onDone={() => void setSelection(NOTHING)} />}
      <Rows
        label="Users"
        pages={pages}
        columns={may('user:view') ? COLUMNS : COLUMNS.filter(({ id }) => id !== 'LAST_LOGIN_AT')}
        empty="No user matches."
        href={({ id }) => `/users/${id}`}
        sort={{ column: orderBy.field, direction: orderBy.direction === 'ASC' ? 'ascending' : 'descending' }}
        onSort={({ column, direction }) => void search.set({ sort: String(column), direction: direction === 'ascending' ? 'ASC' : 'DESC' })}
        {...(may('user:update') && { selection: selection.ids, onSelect: select })}
      />
    </>
  );
}

// What the list of users is to show, as it stands in the address bar.
import { useMemo } from 'react';
import type { OrderDirection, UserFilter, UserOrder, UserOrderField } from '../generated/graphql';
import { searchOf, useAddress, type Address } from '../parts/address';

const FIELDS: UserOrderField[] = ['CREATED_AT', 'EMAIL', 'LAST_LOGIN_AT', 'LAST_NAME'];

export type StatusChoice = '' | 'active' | 'inactive' | 'locked' | 'unverified';

const BY_STATUS: Record<StatusChoice, UserFilter> = {
  '': {},
  active: { active: true },
  inactive: { active: false },
  locked: { locked: true },
  unverified: { emailVerified: false },
};

/** In the address: q, status, role, hotel, permission, sort and direction. */
export interface UserSearch extends Address {
  filter: UserFilter;
  orderBy: UserOrder & { direction: OrderDirection };
}

export function useUserSearch(): UserSearch {
  const address = useAddress();
  const key = address.params.toString();
  const { filter, orderBy } = useMemo(() => read(new URLSearchParams(key)), [key]);
  return { ...address, filter, orderBy };
}

/** What an address bar cannot mean, it does not. */
export function read(params: URLSearchParams): Pick<UserSearch, 'filter' | 'orderBy'> {
  const filter: UserFilter = { ...BY_STATUS[params.get('status') as StatusChoice], search: searchOf(params.get('q') ?? '') };
  const [role, hotel, permission] = ['role', 'hotel', 'permission'].map((name) => params.get(name));
  if (role) filter.roles = [role];
  if (hotel) filter.hotels = [hotel];
  if (permission) filter.permission = permission;
  const field = FIELDS.find((known) => known === params.get('sort')) ?? 'CREATED_AT';
  return { filter, orderBy: { field, direction: params.get('direction') === 'DESC' ? 'DESC' : 'ASC' } };
}

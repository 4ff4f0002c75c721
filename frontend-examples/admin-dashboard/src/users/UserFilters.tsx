// What narrows the list of users.
import { useEffect, useState } from 'react';
import { Input, Label, SearchField } from 'react-aria-components';
import { useQuery } from 'urql';
import { graphql } from '../generated';
import { HotelPicker } from '../hotels/HotelPicker';
import { Choice } from '../parts/fields';
import { SHORTEST, type UserSearch } from './search';

export const ROLE_CHOICES = graphql(`
  query RoleChoices {
    roles(first: 100) {
      nodes {
        id
        name
        displayName
        active
        permissions
      }
    }
  }
`);

/** How long one waits for the next letter before the service is asked, in milliseconds. */
const PAUSE = 120;

export function UserFilters({ search }: { search: UserSearch }) {
  const [{ data }] = useQuery({ query: ROLE_CHOICES });
  const given = search.param('q');
  const [text, setText] = useState(given);
  useEffect(() => setText(given), [given]);
  useEffect(() => {
    if (text === given) return;
    const timer = setTimeout(() => search.set('q', text), PAUSE);
    return () => clearTimeout(timer);
  });
  const roles = data?.roles.nodes ?? [];
  return (
    <div className="filters" role="search">
      <SearchField className="field" value={text} onChange={setText}>
        <Label>Search</Label>
        <Input placeholder={`Name or email, ${SHORTEST} letters or more`} />
      </SearchField>
      <Choice
        label="Status"
        value={search.param('status')}
        onChange={(value) => search.set('status', value)}
        options={[
          ['', 'Any'],
          ['active', 'Active'],
          ['locked', 'Locked'],
          ['unverified', 'Not verified'],
          ['inactive', 'Deactivated'],
        ]}
      />
      <Choice
        label="Role"
        value={search.param('role')}
        onChange={(value) => search.set('role', value)}
        options={[['', 'Any'], ...roles.map(({ id, displayName }): [string, string] => [id, displayName])]}
      />
      <HotelPicker label="Hotel" value={search.param('hotel')} onChange={(value) => search.set('hotel', value)} />
      <button type="button" onClick={search.clear}>
        Clear
      </button>
    </div>
  );
}

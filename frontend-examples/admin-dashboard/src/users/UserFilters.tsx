// What narrows the list of users.
import { Input, Label, SearchField } from 'react-aria-components';
import { useQuery } from 'urql';
import { graphql } from '../generated';
import { HotelPicker } from '../hotels/HotelPicker';
import { useTyped } from '../parts/address';
import { Choice } from '../parts/fields';
import { useViewer } from '../shell/viewer';
import type { UserSearch } from './search';

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

export function UserFilters({ search }: { search: UserSearch }) {
  const [{ data }] = useQuery({ query: ROLE_CHOICES });
  const typed = useTyped(search, 'q');
  const { may } = useViewer();
  const roles = data?.roles.nodes ?? [];
  return (
    <div className="filters" role="search">
      <SearchField className="field" {...typed}>
        <Label>Search</Label>
        <Input placeholder="Name or email, a word or two letters" />
      </SearchField>
      <Choice
        label="Status"
        value={search.param('status')}
        onChange={(value) => void search.set({ status: value })}
        options={[
          ['', 'Any'],
          ['active', 'Active'],
          ...(may('user:view') ? [['locked', 'Locked'] as [string, string]] : []),
          ['unverified', 'Not verified'],
          ['inactive', 'Deactivated'],
        ]}
      />
      <Choice
        label="Role"
        value={search.param('role')}
        onChange={(value) => void search.set({ role: value })}
        options={[['', 'Any'], ...roles.map(({ id, displayName }): [string, string] => [id, displayName])]}
      />
      <HotelPicker label="Hotel" value={search.param('hotel')} onChange={(value) => void search.set({ hotel: value })} />
      <button type="button" onClick={() => void search.clear()}>
        Clear
      </button>
    </div>
  );
}

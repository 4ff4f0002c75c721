// The hotels one reaches.
import { useState } from 'react';
import { Input, Label, SearchField } from 'react-aria-components';
import { usePages } from '../api/usePages';
import { graphql } from '../generated';
import type { HotelFilter, HotelRowFragment } from '../generated/graphql';
import { searchOf, useAddress, useTyped } from '../parts/address';
import { Badge } from '../parts/Badge';
import { Choice } from '../parts/fields';
import { Rows, type RowsColumn } from '../parts/Rows';
import { useViewer } from '../shell/viewer';
import { HotelWindow } from './HotelWindow';

graphql(`
  fragment HotelRow on Hotel {
    id
    pmsHotelId
    name
    brand
    city
    country
    pmsType
    active
  }
`);

const HOTELS = graphql(`
  query Hotels($first: Int, $after: String, $filter: HotelFilter) {
    hotels(first: $first, after: $after, filter: $filter) {
      nodes {
        ...HotelRow
      }
      pageInfo {
        hasNextPage
        endCursor
      }
    }
  }
`);

const COLUMNS: RowsColumn<HotelRowFragment>[] = [
  { id: 'name', title: 'Name', cell: ({ name }) => name },
  { id: 'pmsHotelId', title: 'Id', width: 160, cell: ({ pmsHotelId }) => <code>{pmsHotelId}</code> },
  { id: 'brand', title: 'Brand', cell: ({ brand }) => brand },
  { id: 'city', title: 'Town', cell: ({ city, country }) => [city, country].filter(Boolean).join(', ') },
  { id: 'pms', title: 'PMS', width: 120, cell: ({ pmsType }) => pmsType },
  { id: 'active', title: 'Status', width: 120, cell: ({ active }) => (active ? <Badge tone="good">Active</Badge> : <Badge tone="bad">Inactive</Badge>) },
];

export default function HotelsPage() {
  const { may, hotelScope } = useViewer();
  const [adding, setAdding] = useState(false);
  const address = useAddress();
  const typed = useTyped(address, 'q');
  const [text, status] = [address.param('q'), address.param('status')];
  const filter: HotelFilter = { search: searchOf(text) };
  if (status !== '') filter.active = status === 'active';
  const pages = usePages(HOTELS, { filter }, (data) => data.hotels);
  return (
    <>
      <div className="head">
        <h1>Hotels</h1>
        {may('hotel:create') && hotelScope === 'ALL' && (
          <button type="button" className="primary" onClick={() => void setAdding(true)}>
            Add a hotel
          </button>
        )}
      </div>
      <div className="filters" role="search">
        <SearchField className="field" {...typed}>
          <Label>Search</Label>
          <Input placeholder="Id, name, brand or town, a word or two letters" />
        </SearchField>
        <Choice
          label="Status"
          value={status}
          onChange={(value) => void address.set({ status: value })}
          options={[
            ['', 'Any'],
            ['active', 'Active'],
            ['inactive', 'Inactive'],
          ]}
        />
      </div>
      <Rows label="Hotels" pages={pages} columns={COLUMNS} empty="No hotel matches." href={({ id }) => `/hotels/${encodeURIComponent(id)}`} />
      {adding && <HotelWindow hotel={null} onClose={() => void setAdding(false)} />}
    </>
  );
}

// Some hotels, collected one by one.
import { use, useState } from 'react';
import { useQuery } from 'urql';
import { graphql } from '../generated';
import { FieldErrors } from '../parts/ActionForm';
import { HotelPicker } from './HotelPicker';

const PICKED_HOTELS = graphql(`
  query PickedHotels($ids: [ID!]!) {
    nodes(ids: $ids) {
      __typename
      ... on Hotel {
        id
        name
      }
    }
  }
`);

/** Each chosen id is a value of the form's field `name`. */
export function HotelsField({ label, name }: { label: string; name: string }) {
  const [ids, setIds] = useState<string[]>([]);
  const errors = use(FieldErrors)[name];
  const [{ data }] = useQuery({ query: PICKED_HOTELS, variables: { ids }, pause: ids.length === 0 });
  const nameOf = (id: string) => {
    for (const node of data?.nodes ?? []) if (node?.__typename === 'Hotel' && node.id === id) return node.name;
    return id;
  };
  return (
    <div className="collected" data-errors-of={name}>
      <HotelPicker label={label} value="" collects errors={errors} onChange={(id) => void setIds(id === '' ? ids : [...new Set([...ids, id])])} />
      {ids.length > 0 && (
        <ul>
          {ids.map((id) => (
            <li key={id}>
              <input type="hidden" name={name} value={id} />
              {nameOf(id)}
              <button type="button" aria-label={`Leave out ${nameOf(id)}`} onClick={() => void setIds(ids.filter((other) => other !== id))}>
                ✕
              </button>
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}

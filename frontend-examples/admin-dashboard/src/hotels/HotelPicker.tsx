// One hotel of many, found by typing a part of its name.
import { useState } from 'react';
import { Button, ComboBox, FieldError, Input, Label, ListBox, ListBoxItem, Popover } from 'react-aria-components';
import { useQuery } from 'urql';
import { messageOf } from '../api/errors';
import { graphql } from '../generated';
import { searchOf } from '../parts/address';

const HOTEL_CHOICES = graphql(`
  query HotelChoices($filter: HotelFilter) {
    hotels(first: 50, filter: $filter) {
      nodes {
        id
        name
        city
      }
    }
  }
`);

const CHOSEN_HOTEL = graphql(`
  query ChosenHotel($id: ID!) {
    hotel(by: { id: $id }) {
      id
      name
    }
  }
`);

interface HotelPickerProps {
  label: string;
  /** An id, or empty. */
  value: string;
  onChange(id: string): void;
  /** Empties the field once a hotel is chosen: for those who collect several. */
  collects?: boolean;
  /** What is wrong with what was chosen. */
  errors?: string[] | undefined;
}

export function HotelPicker({ label, value, onChange, collects = false, errors = [] }: HotelPickerProps) {
  const [typed, setTyped] = useState<string | null>(null);
  const [picked, setPicked] = useState<{ id: string; name: string } | null>(null);
  const [{ data: chosen }] = useQuery({ query: CHOSEN_HOTEL, variables: { id: value }, pause: value === '' });
  const [{ data, error }] = useQuery({ query: HOTEL_CHOICES, variables: { filter: { search: searchOf(typed ?? '') } } });
  const [name] = [picked, chosen?.hotel].filter((hotel) => hotel?.id === value).map((hotel) => hotel?.name);
  const shown = typed ?? (value === '' ? '' : (name ?? value));
  return (
    <ComboBox
      className="field"
      isInvalid={errors.length > 0}
      validationBehavior="aria"
      items={data?.hotels.nodes ?? []}
      inputValue={shown}
      onInputChange={(text) => {
        if (text === shown) return;
        setTyped(text);
        if (text === '' && !collects) onChange('');
      }}
      value={value === '' ? null : value}
      onChange={(key) => {
        if (key === null) return;
        setPicked(data?.hotels.nodes.find(({ id }) => id === key) ?? null);
        onChange(String(key));
        setTyped(collects ? '' : null);
      }}
      onBlur={() => void setTyped(null)}
      menuTrigger="focus"
      allowsEmptyCollection
      defaultFilter={() => true}
    >
      <Label>{label}</Label>
      <div className="combo">
        <Input placeholder={collects ? 'Id, name, brand or town' : 'Any'} />
        <Button aria-label={`Show hotels`}>▾</Button>
      </div>
      <FieldError>{errors.join(' ')}</FieldError>
      <Popover className="popover">
        <ListBox className="choices" renderEmptyState={() => <p className="state">{error === undefined ? 'No hotel matches.' : messageOf(error)}</p>}>
          {(hotel: { id: string; name: string; city?: string | null }) => (
            <ListBoxItem id={hotel.id} textValue={hotel.name}>
              {hotel.name} <small>{hotel.city}</small>
            </ListBoxItem>
          )}
        </ListBox>
      </Popover>
    </ComboBox>
  );
}

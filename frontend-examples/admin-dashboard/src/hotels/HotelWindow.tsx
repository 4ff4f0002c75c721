// Adds a hotel or changes one.
import { useAction } from '../api/useAction';
import { graphql } from '../generated';
import type { HotelRowFragment } from '../generated/graphql';
import { ActionForm } from '../parts/ActionForm';
import { Field, textOf, Tick } from '../parts/fields';
import { useNotice } from '../parts/Notice';
import { Cancel, Window } from '../parts/Window';

const CREATE_HOTEL = graphql(`
  mutation CreateHotel($input: CreateHotelInput!) {
    createHotel(input: $input) {
      hotel {
        ...HotelRow
      }
      errors {
        code
        message
        path
      }
    }
  }
`);

const UPDATE_HOTEL = graphql(`
  mutation UpdateHotel($input: UpdateHotelInput!) {
    updateHotel(input: $input) {
      hotel {
        ...HotelRow
        address
      }
      errors {
        code
        message
        path
      }
    }
  }
`);

interface HotelWindowProps {
  /** Null for one to add. */
  hotel: (HotelRowFragment & { address?: string | null }) | null;
  onClose(): void;
}

export function HotelWindow({ hotel, onClose }: HotelWindowProps) {
  const creation = useAction(CREATE_HOTEL);
  const update = useAction(UPDATE_HOTEL);
  const { outcome } = hotel === null ? creation : update;
  const tell = useNotice();

  async function submit(values: FormData) {
    const said = {
      name: String(values.get('name')),
      brand: textOf(values, 'brand'),
      address: textOf(values, 'address'),
      city: textOf(values, 'city'),
      country: textOf(values, 'country'),
      pmsType: String(values.get('pmsType')),
    };
    const payload =
      hotel === null
        ? await creation.run({ input: { ...said, pmsHotelId: String(values.get('pmsHotelId')) } })
        : await update.run({ input: { ...said, id: hotel.id, active: values.has('active') } });
    if (payload === null) return;
    onClose();
    tell(`${said.name} has been ${hotel === null ? 'added' : 'changed'}.`);
  }

  return (
    <Window title={hotel === null ? 'Add a hotel' : `Change ${hotel.name}`} open busy={outcome.running} onClose={onClose}>
      <ActionForm
        outcome={outcome}
        submitLabel={hotel === null ? 'Add' : 'Save'}
        onSubmit={(values) => void submit(values)}
        beside={<Cancel onClose={onClose} busy={outcome.running} />}
      >
        {hotel === null && <Field name="pmsHotelId" label="Id in the PMS" isRequired autoFocus hint="It stays for good." />}
        <Field name="name" label="Name" defaultValue={hotel?.name ?? ''} isRequired />
        <div className="pair">
          <Field name="brand" label="Brand" defaultValue={hotel?.brand ?? ''} />
          <Field name="pmsType" label="PMS" defaultValue={hotel?.pmsType ?? ''} isRequired hint="One word, e.g. apaleo" />
        </div>
        <Field name="address" label="Address" defaultValue={hotel?.address ?? ''} />
        <div className="pair">
          <Field name="city" label="Town" defaultValue={hotel?.city ?? ''} />
          <Field name="country" label="Country" defaultValue={hotel?.country ?? ''} hint="Two letters, e.g. DE" />
        </div>
        {hotel !== null && (
          <Tick name="active" defaultChecked={hotel.active}>
            Active
          </Tick>
        )}
      </ActionForm>
    </Window>
  );
}

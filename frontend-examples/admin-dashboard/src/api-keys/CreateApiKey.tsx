// Makes an API key, and shows it once.
import { useState } from 'react';
import { useQuery } from 'urql';
import { useAction } from '../api/useAction';
import { graphql } from '../generated';
import { HotelsField } from '../hotels/HotelsField';
import { ActionForm } from '../parts/ActionForm';
import { Choice, Day, Field, Tick, Ticks } from '../parts/fields';
import { Secret, SHOWN_ONCE } from '../parts/Secret';
import { Failure } from '../parts/states';
import { Time } from '../parts/Time';
import { Cancel, Window } from '../parts/Window';
import { useViewer } from '../shell/viewer';

const CREATE = graphql(`
  mutation CreateApiKey($input: CreateApiKeyInput!) {
    createApiKey(input: $input) {
      apiKey {
        ...KeyRow
      }
      secret
      errors {
        code
        message
        path
      }
    }
  }
`);

const PERMISSIONS = graphql(`
  query Permissions {
    permissions {
      name
      description
    }
  }
`);

export function CreateApiKey({ onClose }: { onClose(): void }) {
  const viewer = useViewer();
  const [{ data, error }] = useQuery({ query: PERMISSIONS });
  const [made, setMade] = useState<{ secret: string; expiresAt: string | null } | null>(null);
  const { run, outcome } = useAction(CREATE);

  async function submit(values: FormData) {
    const day = String(values.get('expiresAt') ?? '');
    const payload = await run({
      input: {
        name: String(values.get('name')),
        serviceName: String(values.get('serviceName')),
        permissions: values.getAll('permissions').map(String),
        hotelScope: values.get('hotelScope') === 'ALL' ? 'ALL' : 'ASSIGNED',
        hotels: values.getAll('hotels').map(String),
        ...(day !== '' && { expiresAt: new Date(`${day}T00:00`).toISOString() }),
      },
    });
    if (payload?.secret != null) setMade({ secret: payload.secret, expiresAt: payload.apiKey?.expiresAt ?? null });
  }

  return (
    <Window title="Make an API key" open busy={outcome.running} holds={made === null ? undefined : SHOWN_ONCE} onClose={onClose}>
      {made === null ? (
        <ActionForm outcome={outcome} submitLabel="Make" onSubmit={(values) => void submit(values)} beside={<Cancel onClose={onClose} busy={outcome.running} />}>
          <Field name="name" label="Name" isRequired autoFocus />
          <Field name="serviceName" label="Service" isRequired hint="The service that will hold it." />
          <Ticks legend="It may" name="permissions">
            {error !== undefined && <Failure error={error} />}
            {data?.permissions
              .filter(({ name }) => viewer.may(name))
              .map(({ name, description }) => (
                <Tick key={name} name="permissions" value={name}>
                  <code>{name}</code> <small>{description}</small>
                </Tick>
              ))}
          </Ticks>
          <Choice
            label="Reaches"
            name="hotelScope"
            options={[['ASSIGNED', 'The hotels assigned'], ...(viewer.hotelScope === 'ALL' ? [['ALL', 'Every hotel'] as [string, string]] : [])]}
          />
          <HotelsField label="Add a hotel" name="hotels" />
          <Day name="expiresAt" label="Expires on" hint="Left empty, it ends after one year." />
        </ActionForm>
      ) : (
        <>
          <Secret
            label={
              <>
                Give this key to the service. It ends at <Time at={made.expiresAt} />.
              </>
            }
            value={made.secret}
          />
          <div className="actions">
            <Cancel onClose={onClose}>Close</Cancel>
          </div>
        </>
      )}
    </Window>
  );
}

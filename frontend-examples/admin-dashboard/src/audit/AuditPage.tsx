// What happened, narrowed by what stands in the address bar, under a chart of the sign-ins of the last days.
import { useMemo } from 'react';
import { usePages } from '../api/usePages';
import type { AuditEventFilter } from '../generated/graphql';
import { useAddress, useTyped } from '../parts/address';
import { Choice, Day, Field } from '../parts/fields';
import { AUDIT_EVENTS, EventRows, inWords } from './EventRows';
import { SignInsChart } from './SignInsChart';

const TYPES = [
  'user_authenticated',
  'login_failed',
  'account_locked',
  'user_unlocked',
  'user_signed_out',
  'password_changed',
  'password_change_failed',
  'password_reset',
  'refresh_token_reused',
  'session_revoked',
  'sessions_revoked',
  'user_created',
  'user_updated',
  'user_deactivated',
  'user_reactivated',
  'user_deleted',
  'roles_assigned',
  'roles_unassigned',
  'hotels_assigned',
  'hotels_unassigned',
  'users_imported',
  'users_exported',
  'personal_data_exported',
  'role_created',
  'role_updated',
  'role_deleted',
  'hotel_created',
  'hotel_updated',
  'api_key_created',
  'api_key_revoked',
  'change_refused',
  'signing_key_rotated',
  'audit_events_expired',
];

export default function AuditPage() {
  const address = useAddress();
  const [day, request] = [useTyped(address, 'day'), useTyped(address, 'request')];
  const key = address.params.toString();
  const filter = useMemo(() => read(new URLSearchParams(key)), [key]);
  const pages = usePages(AUDIT_EVENTS, { filter }, (data) => data.auditEvents);
  return (
    <>
      <div className="head">
        <h1>Audit</h1>
      </div>
      <SignInsChart />
      <div className="filters" role="search">
        <Choice
          label="Event"
          value={address.param('type')}
          onChange={(value) => void address.set({ type: value })}
          options={[['', 'Any'], ...TYPES.map((type): [string, string] => [type, inWords(type)])]}
        />
        <Choice
          label="Outcome"
          value={address.param('outcome')}
          onChange={(value) => void address.set({ outcome: value })}
          options={[
            ['', 'Any'],
            ['SUCCESS', 'Done'],
            ['FAILURE', 'Refused'],
          ]}
        />
        <Day label="Day" {...day} />
        <Field label="Request" {...request} />
        <button type="button" onClick={() => void address.clear()}>
          Clear
        </button>
      </div>
      <EventRows label="Audit events" pages={pages} />
    </>
  );
}

function read(params: URLSearchParams): AuditEventFilter {
  const filter: AuditEventFilter = {};
  const [type, outcome, day, request] = ['type', 'outcome', 'day', 'request'].map((name) => params.get(name));
  if (type) filter.types = [type];
  if (outcome === 'SUCCESS' || outcome === 'FAILURE') filter.outcome = outcome;
  if (request) filter.requestId = request;
  // A day is one of this browser's, and not always 24 hours long.
  const begin = new Date(`${day ?? ''}T00:00`);
  if (!Number.isNaN(begin.getTime())) {
    const end = new Date(begin.getFullYear(), begin.getMonth(), begin.getDate() + 1);
    filter.occurredAfter = begin.toISOString();
    filter.occurredBefore = end.toISOString();
  }
  return filter;
}

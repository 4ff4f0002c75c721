// Audit events as rows: when, what, who, to what, from where.
import { Link } from 'react-router';
import { graphql } from '../generated';
import type { EventRowFragment } from '../generated/graphql';
import { Badge } from '../parts/Badge';
import { Rows, type RowsColumn, type RowsPages } from '../parts/Rows';
import { Time } from '../parts/Time';

graphql(`
  fragment EventRow on AuditEvent {
    id
    occurredAt
    type
    outcome
    detail
    ipAddress
    requestId
    actorId
    subjectId
    actor {
      __typename
      ... on User {
        id
        displayName
      }
      ... on ApiKey {
        id
        name
      }
    }
    subject {
      __typename
      id
      ... on User {
        displayName
      }
      ... on Role {
        displayName
      }
      ... on Hotel {
        name
      }
      ... on ApiKey {
        name
      }
    }
  }
`);

export const AUDIT_EVENTS = graphql(`
  query AuditEvents($first: Int, $after: String, $filter: AuditEventFilter) {
    auditEvents(first: $first, after: $after, filter: $filter) {
      nodes {
        ...EventRow
      }
      pageInfo {
        hasNextPage
        endCursor
      }
    }
  }
`);

const COLUMNS: RowsColumn<EventRowFragment>[] = [
  { id: 'event', title: 'Event', cell: ({ type }) => inWords(type) },
  { id: 'when', title: 'When', width: 205, cell: ({ occurredAt }) => <Time at={occurredAt} /> },
  {
    id: 'outcome',
    title: 'Outcome',
    width: 110,
    cell: ({ outcome }) => (outcome === 'SUCCESS' ? <Badge tone="good">Done</Badge> : <Badge tone="bad">Refused</Badge>),
  },
  { id: 'actor', title: 'By', cell: ({ actor, actorId }) => <Thing thing={actor} id={actorId} none="the system" /> },
  { id: 'subject', title: 'To', cell: ({ subject, subjectId }) => <Thing thing={subject} id={subjectId} none="" /> },
  { id: 'address', title: 'From', width: 140, cell: ({ ipAddress }) => ipAddress },
  { id: 'detail', title: 'Detail', cell: ({ detail }) => <Detail detail={detail} /> },
];

export function EventRows({ label, pages }: { label: string; pages: RowsPages<EventRowFragment> }) {
  return <Rows label={label} pages={pages} columns={COLUMNS} empty="Nothing has happened." />;
}

interface ThingProps {
  thing: EventRowFragment['actor'] | EventRowFragment['subject'];
  id: string | null | undefined;
  none: string;
}

/** By name where it is still there, else by id. */
function Thing({ thing, id, none }: ThingProps) {
  if (thing == null) return <span>{id ?? none}</span>;
  const name = 'displayName' in thing ? thing.displayName : 'name' in thing ? thing.name : inWords(thing.__typename);
  if (thing.__typename === 'User') return <Link to={`/users/${thing.id}`}>{name}</Link>;
  if (thing.__typename === 'Hotel') return <Link to={`/hotels/${encodeURIComponent(thing.id)}`}>{name}</Link>;
  return <span>{name}</span>;
}

function Detail({ detail }: { detail: unknown }) {
  const text = JSON.stringify(detail);
  return text === '{}' ? null : <code title={JSON.stringify(detail, null, 2)}>{text}</code>;
}

/** user_authenticated reads "User authenticated". */
export function inWords(type: string): string {
  const words = type.replaceAll('_', ' ');
  return words.charAt(0).toUpperCase() + words.slice(1);
}

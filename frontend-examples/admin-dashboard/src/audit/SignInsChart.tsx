// Sign-ins of the last two weeks, day by day: how many were let in and how many were refused. Each day leads to its events.
import { useEffect, useState } from 'react';
import { Link } from 'react-router';
import { useClient, type CombinedError } from 'urql';
import { graphql } from '../generated';
import { Failure } from '../parts/states';

const SIGN_INS = graphql(`
  query SignIns($after: DateTime!, $before: DateTime!, $atMost: Int!) {
    succeeded: auditEvents(
      first: 1
      filter: { types: ["user_authenticated"], occurredAfter: $after, occurredBefore: $before }
    ) {
      totalCount(atMost: $atMost)
    }
    failed: auditEvents(first: 1, filter: { types: ["login_failed"], occurredAfter: $after, occurredBefore: $before }) {
      totalCount(atMost: $atMost)
    }
  }
`);

/** Counting stops here: a bar of this height says "very many". */
const AT_MOST = 10_000;
const DAYS = 14;

interface Day {
  /** Its midnight, in this browser's time zone. */
  begin: Date;
  succeeded: number;
  failed: number;
}

const [WIDTH, HEIGHT, BAR] = [40, 120, 14];

export function SignInsChart() {
  const client = useClient();
  const [days, setDays] = useState<Day[]>([]);
  const [error, setError] = useState<CombinedError>();

  useEffect(() => {
    let wanted = true;
    const asked = lastDays().map(async ({ begin, end }) => {
      const variables = { after: begin.toISOString(), before: end.toISOString(), atMost: AT_MOST };
      const { data, error } = await client.query(SIGN_INS, variables);
      if (error !== undefined || data === undefined) throw error;
      return { begin, succeeded: data.succeeded.totalCount, failed: data.failed.totalCount };
    });
    Promise.all(asked).then(
      (found) => wanted && setDays(found),
      (reason: CombinedError) => wanted && setError(reason),
    );
    return () => {
      wanted = false;
    };
  }, [client]);

  if (error !== undefined) return <Failure error={error} />;
  const most = Math.max(1, ...days.map(({ succeeded, failed }) => succeeded + failed));
  return (
    <figure className="chart">
      <figcaption>
        Sign-ins of the last {DAYS} days: <span className="key good">signed in</span> <span className="key bad">refused</span>
      </figcaption>
      <ul>
        {days.map((day) => (
          <li key={day.begin.toISOString()}>
            <DayBar day={day} most={most} />
          </li>
        ))}
      </ul>
    </figure>
  );
}

function DayBar({ day: { begin, succeeded, failed }, most }: { day: Day; most: number }) {
  const [good, bad] = [succeeded, failed].map((count) => (count / most) * HEIGHT);
  const name = begin.toLocaleDateString(undefined, { weekday: 'long', day: 'numeric', month: 'long' });
  const told = `${name}: ${succeeded.toLocaleString()} signed in, ${failed.toLocaleString()} refused`;
  return (
    <Link to={`/audit?day=${isoDay(begin)}`} aria-label={told} title={told}>
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} aria-hidden="true">
        <rect className="good" x={(WIDTH - BAR) / 2} width={BAR} y={HEIGHT - (good ?? 0)} height={good} />
        <rect className="bad" x={(WIDTH - BAR) / 2} width={BAR} y={HEIGHT - (good ?? 0) - (bad ?? 0)} height={bad} />
      </svg>
      <small aria-hidden="true">{begin.getDate()}</small>
    </Link>
  );
}

/** Days as the calendar has them: not all are 24 hours long. */
function lastDays(): { begin: Date; end: Date }[] {
  const now = new Date();
  const midnight = (ago: number) => new Date(now.getFullYear(), now.getMonth(), now.getDate() - ago);
  return Array.from({ length: DAYS }, (_, index) => ({ begin: midnight(DAYS - 1 - index), end: midnight(DAYS - 2 - index) }));
}

function isoDay(day: Date): string {
  return [day.getFullYear(), day.getMonth() + 1, day.getDate()].map((part) => String(part).padStart(2, '0')).join('-');
}

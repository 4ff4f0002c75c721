// What was done to a user, and what they tried.
import { usePages } from '../api/usePages';
import { AUDIT_EVENTS, EventRows } from '../audit/EventRows';

export function Activity({ subject }: { subject: string }) {
  const pages = usePages(AUDIT_EVENTS, { filter: { subject } }, (data) => data.auditEvents);
  return (
    <section className="card" aria-labelledby="activity">
      <h2 id="activity">Activity</h2>
      <EventRows label="Activity of this user" pages={pages} />
    </section>
  );
}

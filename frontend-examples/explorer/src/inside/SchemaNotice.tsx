// Says plainly where the schema could not be read, and what is missing without it. Queries can be sent all the same.
import { useGraphiQL } from '@graphiql/react';

const WITHOUT = 'Without it there are no documentation and no suggestions; queries can be sent all the same.';

export function SchemaNotice() {
  const failure = useGraphiQL((state) => state.fetchError);
  return (
    <p className="notice" role="status">
      {failure !== null && `The schema could not be read: ${reason(failure)} ${WITHOUT}`}
    </p>
  );
}

/** GraphiQL keeps the whole answer, as it would show it. */
function reason(failure: string): string {
  const message = firstMessage(failure);
  // What graphql-js says to `__schema: null`, the answer of a service that keeps its schema to itself.
  if (message === null || message.startsWith('Invalid or incomplete introspection result')) {
    return 'this service does not tell it (introspection is turned off).';
  }
  return /[.!?]$/.test(message) ? message : `${message}.`;
}

function firstMessage(failure: string): string | null {
  try {
    const { errors, message } = JSON.parse(failure) as { errors?: { message?: string }[]; message?: string };
    return errors?.[0]?.message ?? message ?? null;
  } catch {
    return failure;
  }
}

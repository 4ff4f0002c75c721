// Runs a mutation for a form or a button, and keeps what came of it: errors for its fields, or a failure to tell.
import { useState } from 'react';
import { useMutation, type AnyVariables, type TypedDocumentNode } from 'urql';
import { messageOf, type FieldError } from './errors';

/** Each mutation of ours asks for one field. */
type PayloadOf<Data> = Data[Exclude<keyof Data, '__typename'>];

export interface Outcome {
  running: boolean;
  errors: FieldError[];
  /** Why it could not be run; null where it was. */
  failure: string | null;
}

const IDLE: Outcome = { running: false, errors: [], failure: null };

export function useAction<Data, Variables extends AnyVariables>(document: TypedDocumentNode<Data, Variables>) {
  const [, execute] = useMutation(document);
  const [outcome, setOutcome] = useState(IDLE);

  /** The payload where it worked, else null. */
  async function run(variables: Variables): Promise<PayloadOf<Data> | null> {
    setOutcome({ ...IDLE, running: true });
    const { data, error } = await execute(variables);
    if (error !== undefined || data == null) {
      setOutcome({ ...IDLE, failure: error === undefined ? 'The service did not answer.' : messageOf(error) });
      return null;
    }
    const [payload] = Object.values(data).filter((value) => typeof value === 'object') as [PayloadOf<Data>];
    const { errors } = payload as { errors: FieldError[] };
    setOutcome({ ...IDLE, errors });
    return errors.length === 0 ? payload : null;
  }

  return { run, outcome, clear: () => setOutcome(IDLE) };
}

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

/** What a button without a form says; null where nothing was refused. */
export function refusalOf({ failure, errors }: Outcome): string | null {
  return failure ?? (errors.length === 0 ? null : errors.map(({ message }) => message).join(' '));
}

export function useAction<Data, Variables extends AnyVariables>(document: TypedDocumentNode<Data, Variables>) {
  const [, execute] = useMutation(document);
  const [outcome, setOutcome] = useState(IDLE);

  /** The payload where it worked, else null. */
  async function run(variables: Variables): Promise<PayloadOf<Data> | null> {
    setOutcome({ ...IDLE, running: true });
    const { data, error } = await execute(variables);
    const payload = Object.values(data ?? {}).find((value) => typeof value === 'object') as (PayloadOf<Data> & { errors: FieldError[] }) | null | undefined;
    if (error !== undefined || payload == null) {
      setOutcome({ ...IDLE, failure: error === undefined ? 'The service did not answer.' : messageOf(error) });
      return null;
    }
    const { errors } = payload;
    setOutcome({ ...IDLE, errors });
    return errors.length === 0 ? payload : null;
  }

  return { run, outcome, clear: () => setOutcome(IDLE) };
}

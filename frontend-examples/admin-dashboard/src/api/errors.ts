// Errors as the contract has them: what the person can put right stands in a payload's `errors` with the field it belongs to; all
// else is a GraphQL error with a code, or no answer at all.
import type { CombinedError } from 'urql';
import type { FieldError } from '../../../browser-session/session';

export type { FieldError };

export function codeOf(error: CombinedError): string | undefined {
  return error.graphQLErrors[0]?.extensions.code as string | undefined;
}

/** Of the answer that the error came with, where one came: from us, or from what stands before us. */
export function requestIdOf(error: CombinedError): string | null {
  return (error.response as Response | undefined)?.headers?.get('X-Request-Id') ?? null;
}

/** For people. */
export function messageOf(error: CombinedError): string {
  if (error.networkError !== undefined) return 'The service cannot be reached. Check the connection and try again.';
  const message = error.graphQLErrors[0]?.message ?? error.message;
  const requestId = requestIdOf(error);
  // What nobody here can put right is told to the operators, who look for it by this.
  return codeOf(error) === 'INTERNAL' && requestId !== null ? `${message} (request ${requestId})` : message;
}

/** The input field that an error belongs to: `["input", "roles", "0"]` belongs to `roles`. */
export function fieldOf(error: FieldError): string {
  return error.path[1] ?? '';
}

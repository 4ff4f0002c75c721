// A query whose last answer stays when asking again fails: what stands on it, and is being typed into it, stays too. Where the
// variables change, the component is another one (by its key).
import { useState } from 'react';
import { useQuery, type AnyVariables, type UseQueryArgs, type UseQueryResponse } from 'urql';

export function useAnswer<Data, Variables extends AnyVariables>(asked: UseQueryArgs<Variables, Data>): UseQueryResponse<Data, Variables> {
  const [result, look] = useQuery(asked);
  const [held, setHeld] = useState(result.data);
  if (result.data !== undefined && result.data !== held) setHeld(result.data);
  return [{ ...result, data: result.data ?? held }, look];
}

// Who is signed in and what they may do, to show only what will work. The service decides again at every request.
import { createContext, use } from 'react';
import { graphql } from '../generated';
import type { ViewerQuery } from '../generated/graphql';

export const VIEWER = graphql(`
  query Viewer {
    me {
      id
      displayName
      email
      mustChangePassword
      hotelScope
      permissions
    }
  }
`);

type Me = NonNullable<ViewerQuery['me']>;

export const ViewerContext = createContext<Me | null>(null);

export function useViewer(): Me & { may(permission: string): boolean } {
  const me = use(ViewerContext);
  if (me === null) throw new Error('useViewer is for what stands in a ViewerContext');
  return { ...me, may: (permission) => me.permissions.includes(permission) };
}

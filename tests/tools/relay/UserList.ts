// What Relay needs of a schema: connections, refetching by id, and lists that grow in the store.
import { graphql } from 'react-relay';

export const query = graphql`
  query UserListQuery($count: Int!, $cursor: String, $search: String) {
    ...UserList_users @arguments(search: $search)
  }
`;

export const fragment = graphql`
  fragment UserList_users on Query
  @argumentDefinitions(search: { type: "String" })
  @refetchable(queryName: "UserListPaginationQuery") {
    users(first: $count, after: $cursor, filter: { search: $search }) @connection(key: "UserList_users") {
      edges {
        node {
          id
          ...UserList_user
        }
      }
    }
  }
`;

export const user = graphql`
  fragment UserList_user on User @refetchable(queryName: "UserListUserRefetchQuery") {
    displayName
    email
    lastLoginAt
    hotels(first: 5) {
      edges {
        node {
          name
        }
      }
    }
  }
`;

export const deletion = graphql`
  mutation UserListDeletionMutation($input: DeleteUserInput!, $connections: [ID!]!) {
    deleteUser(input: $input) {
      deletedId @deleteEdge(connections: $connections)
      errors {
        message
        path
      }
    }
  }
`;

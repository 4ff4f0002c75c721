// What is asked about roles, and how one is changed.
import { graphql } from '../generated';

graphql(`
  fragment MatrixRole on Role {
    id
    name
    displayName
    description
    permissions
    system
    active
  }
`);

export const MATRIX = graphql(`
  query RoleMatrix {
    roles(first: 100) {
      nodes {
        ...MatrixRole
      }
    }
    permissions {
      name
      description
    }
  }
`);

export const UPDATE_ROLE = graphql(`
  mutation UpdateRole($input: UpdateRoleInput!) {
    updateRole(input: $input) {
      role {
        ...MatrixRole
      }
      errors {
        code
        message
        path
      }
    }
  }
`);

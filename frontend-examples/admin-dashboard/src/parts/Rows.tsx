// A table of an endless list: only the rows in sight are in the page, and the next ones are asked for before the end is reached.
import { useEffect, useRef, type ReactNode } from 'react';
import {
  Cell,
  CheckboxButton,
  CheckboxField,
  Column,
  Row,
  Table,
  TableBody,
  TableHeader,
  TableLayout,
  TableLoadMoreItem,
  Virtualizer,
  type Selection,
  type SortDescriptor,
} from 'react-aria-components';
import type { usePages } from '../api/usePages';
import { Empty, Failure, Loading } from './states';

export interface RowsColumn<Node> {
  id: string;
  title: string;
  cell(node: Node): ReactNode;
  sortable?: boolean;
  /** Pixels; a share of what is left where none is given. */
  width?: number;
  /** Pixels that it takes at least. */
  least?: number;
}

export type RowsPages<Node extends { id: string }> = ReturnType<typeof usePages<never, never, Node>>;

interface RowsProps<Node extends { id: string }> {
  /** For screen readers. */
  label: string;
  pages: RowsPages<Node>;
  columns: RowsColumn<Node>[];
  /** What is said where there are no rows. */
  empty: string;
  /** Where a row leads to. */
  href?: (node: Node) => string;
  sort?: SortDescriptor;
  onSort?: (sort: SortDescriptor) => void;
  selection?: Selection;
  onSelect?: (selection: Selection) => void;
}

const HEIGHT = 44;

export function Rows<Node extends { id: string }>({ label, pages, columns, empty, href, sort, onSort, selection, onSelect }: RowsProps<Node>) {
  const { key, nodes, loading, stale, waiting, hasNextPage, loadMore, error, retry } = pages;
  const table = useRef<HTMLDivElement>(null);
  // Other rows are read from the first one on.
  useEffect(() => {
    table.current?.scrollTo({ top: 0 });
  }, [key]);
  if (error !== undefined && nodes.length === 0) return <Failure error={error} retry={retry} />;
  if (loading) return <Loading />;
  const selectable = onSelect !== undefined;
  return (
    <>
      {error !== undefined && <Failure error={error} retry={retry} />}
      <Virtualizer layout={TableLayout} layoutOptions={{ rowHeight: HEIGHT, headingHeight: HEIGHT, loaderHeight: HEIGHT }}>
        <Table
          ref={table}
          aria-label={label}
          aria-busy={waiting}
          className={stale ? 'rows stale' : 'rows'}
          selectionMode={selectable ? 'multiple' : 'none'}
          {...(selection !== undefined && { selectedKeys: selection })}
          {...(onSelect !== undefined && { onSelectionChange: onSelect })}
          {...(sort !== undefined && { sortDescriptor: sort })}
          {...(onSort !== undefined && { onSortChange: onSort })}
        >
          <TableHeader>
            {selectable && (
              <Column id="selection" width={HEIGHT} minWidth={HEIGHT}>
                <Pick />
              </Column>
            )}
            {columns.map(({ id, title, sortable = false, width, least = 110 }, index) => (
              <Column key={id} id={id} isRowHeader={index === 0} allowsSorting={sortable} {...(width !== undefined && { width })} minWidth={least}>
                {({ sortDirection }) => (
                  <>
                    {title}
                    {sortDirection !== undefined && <span aria-hidden="true">{sortDirection === 'ascending' ? ' ▲' : ' ▼'}</span>}
                  </>
                )}
              </Column>
            ))}
          </TableHeader>
          <TableBody renderEmptyState={() => <Empty>{empty}</Empty>}>
            {nodes.map((node) => (
              <Row key={node.id} id={node.id} {...(href !== undefined && { href: href(node) })} textValue={node.id}>
                {selectable && (
                  <Cell>
                    <Pick />
                  </Cell>
                )}
                {columns.map(({ id, cell }) => (
                  <Cell key={id}>{cell(node)}</Cell>
                ))}
              </Row>
            ))}
            {hasNextPage && (
              <TableLoadMoreItem onLoadMore={loadMore} isLoading={waiting}>
                Loading…
              </TableLoadMoreItem>
            )}
          </TableBody>
        </Table>
      </Virtualizer>
    </>
  );
}

function Pick() {
  return (
    <CheckboxField slot="selection">
      <CheckboxButton className="pick" />
    </CheckboxField>
  );
}

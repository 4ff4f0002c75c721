// A button whose deed is asked about first, in a dialog that may take a reason.
import { useState } from 'react';
import type { TypedDocumentNode } from 'urql';
import { useAction } from '../api/useAction';
import { ActionForm } from './ActionForm';
import { Field, textOf } from './fields';
import { useNotice } from './Notice';
import { Cancel, Window } from './Window';

interface ConfirmButtonProps<Data, Variables extends { input: unknown }> {
  label: string;
  /** What will happen, in a sentence. */
  question: string;
  /** What has happened, told afterwards. */
  done: string;
  document: TypedDocumentNode<Data, Variables>;
  /** The mutation's input; the reason is null where none was given, or asked for. */
  input(reason: string | null): Variables['input'];
  asksReason?: boolean;
  danger?: boolean;
  onDone?: () => void;
}

export function ConfirmButton<Data, Variables extends { input: unknown }>({
  label,
  question,
  done,
  document,
  input,
  asksReason = false,
  danger = false,
  onDone,
}: ConfirmButtonProps<Data, Variables>) {
  const [open, setOpen] = useState(false);
  const { run, outcome, clear } = useAction(document);
  const tell = useNotice();
  function close() {
    setOpen(false);
    clear();
  }
  async function submit(values: FormData) {
    if ((await run({ input: input(textOf(values, 'reason')) } as Variables)) === null) return;
    close();
    tell(done);
    onDone?.();
  }
  return (
    <>
      <button type="button" className={danger ? 'danger' : undefined} onClick={() => void setOpen(true)}>
        {label}
      </button>
      <Window title={label} open={open} busy={outcome.running} onClose={close}>
        <ActionForm
          outcome={outcome}
          submitLabel={label}
          danger={danger}
          onSubmit={(values) => void submit(values)}
          beside={<Cancel onClose={close} busy={outcome.running} />}
        >
          <p>{question}</p>
          {asksReason && <Field name="reason" label="Reason" hint="Kept in the audit trail." autoFocus />}
        </ActionForm>
      </Window>
    </>
  );
}

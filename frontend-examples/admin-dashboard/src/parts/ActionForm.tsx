// A form that runs a mutation. Errors stand at the fields they belong to; those of no field stand on top. They stay until the form
// is sent again: a line that went away as one presses the button would move the button.
import { createContext, useEffect, useState, type FormEvent, type ReactNode } from 'react';
import type { Outcome } from '../api/useAction';
import { fieldOf } from '../api/errors';

/** What is wrong with each field, by its name. Whatever shows it bears the name as `data-errors-of`. */
export const FieldErrors = createContext<Record<string, string[]>>({});

interface ActionFormProps {
  outcome: Outcome;
  submitLabel: string;
  onSubmit(values: FormData): void;
  /** Beside the button that submits. */
  beside?: ReactNode;
  /** What is done cannot be undone, or takes something from somebody. */
  danger?: boolean;
  children?: ReactNode;
}

export function ActionForm({ outcome, submitLabel, onSubmit, beside, danger = false, children }: ActionFormProps) {
  const [form, setForm] = useState<HTMLFormElement | null>(null);
  const byField: Record<string, string[]> = {};
  const unplaced = outcome.failure === null ? [] : [outcome.failure];
  for (const error of outcome.errors) {
    const field = fieldOf(error);
    if (form?.querySelector(`[data-errors-of="${CSS.escape(field)}"]`) == null) unplaced.push(error.message);
    else (byField[field] ??= []).push(error.message);
  }
  // A long form is sent from its end, and what is wrong may stand out of sight at its beginning.
  useEffect(() => {
    if (outcome.failure === null && outcome.errors.length === 0) return;
    form?.querySelector('.failure, .react-aria-FieldError, .field-error:not(:empty)')?.scrollIntoView({ block: 'nearest' });
  }, [form, outcome]);
  function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    onSubmit(new FormData(event.currentTarget));
  }
  return (
    // The service decides what is valid.
    <form ref={setForm} noValidate onSubmit={submit}>
      {unplaced.length > 0 && (
        <div className="failure" role="alert">
          {unplaced.map((message) => (
            <p key={message}>{message}</p>
          ))}
        </div>
      )}
      <FieldErrors value={byField}>{children}</FieldErrors>
      <div className="actions">
        {beside}
        <button type="submit" className={danger ? 'danger' : 'primary'} disabled={outcome.running}>
          {submitLabel}
        </button>
      </div>
    </form>
  );
}

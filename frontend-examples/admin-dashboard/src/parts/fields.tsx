// Fields of a form: a label, an input, a hint, and the error that belongs to it.
import { use, useId, type ReactNode } from 'react';
import { FieldError, Input, Label, Text, TextArea, TextField, type TextFieldProps } from 'react-aria-components';
import { FieldErrors } from './ActionForm';

interface FieldProps extends Omit<TextFieldProps, 'children'> {
  label: string;
  hint?: string;
  /** More than one line. */
  long?: boolean;
}

export function Field({ label, hint, long = false, ...props }: FieldProps) {
  const errors = use(FieldErrors)[props.name ?? ''] ?? [];
  return (
    <TextField {...props} data-errors-of={props.name} className="field" isInvalid={errors.length > 0} validationBehavior="aria">
      <Label>{label}</Label>
      {long ? <TextArea rows={4} /> : <Input />}
      {hint !== undefined && <Text slot="description">{hint}</Text>}
      <FieldError>{errors.join(' ')}</FieldError>
    </TextField>
  );
}

interface ChoiceProps {
  label: string;
  name?: string;
  value?: string;
  defaultValue?: string;
  onChange?: (value: string) => void;
  /** Value and text of each. */
  options: [string, string][];
}

/** One of a few. */
export function Choice({ label, options, onChange, ...props }: ChoiceProps) {
  return (
    <Described label={label} name={props.name}>
      {(attributes) => (
        <select {...props} {...attributes} onChange={onChange && ((event) => onChange(event.target.value))}>
          {options.map(([value, text]) => (
            <option key={value} value={value}>
              {text}
            </option>
          ))}
        </select>
      )}
    </Described>
  );
}

interface DayProps {
  label: string;
  hint?: string;
  name?: string;
  value?: string;
  onChange?: (value: string) => void;
  onFocus?: () => void;
  onBlur?: () => void;
}

/** A day of the calendar. */
export function Day({ label, hint, onChange, ...props }: DayProps) {
  return (
    <Described label={label} hint={hint} name={props.name}>
      {(attributes) => <input type="date" {...props} {...attributes} onChange={onChange && ((event) => onChange(event.target.value))} />}
    </Described>
  );
}

interface DescribedProps {
  label: string;
  hint?: string | undefined;
  name: string | undefined;
  children: (attributes: { id: string; 'aria-invalid': boolean; 'aria-describedby': string | undefined }) => ReactNode;
}

/** A field of the browser's own: its label alone names it; the hint, and what is wrong with it, describe it. */
function Described({ label, hint, name = '', children }: DescribedProps) {
  const [id, hintId, errorsId] = [useId(), useId(), useId()];
  const invalid = (use(FieldErrors)[name] ?? []).length > 0;
  const described = [hint !== undefined && hintId, invalid && errorsId].filter(Boolean).join(' ');
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      {children({ id, 'aria-invalid': invalid, 'aria-describedby': described || undefined })}
      {hint !== undefined && (
        <span id={hintId} slot="description">
          {hint}
        </span>
      )}
      {name !== '' && <ErrorsOf id={errorsId} name={name} />}
    </div>
  );
}

/** Some of several: boxes to tick, all of one name. */
export function Ticks({ legend, name, children }: { legend: string; name: string; children: ReactNode }) {
  const errors = useId();
  return (
    <fieldset aria-describedby={errors}>
      <legend>{legend}</legend>
      {children}
      <ErrorsOf id={errors} name={name} />
    </fieldset>
  );
}

/** What is wrong with a field that does not say so itself. */
function ErrorsOf({ name, id }: { name: string; id: string }) {
  const errors = use(FieldErrors)[name] ?? [];
  return (
    <span id={id} className="field-error" data-errors-of={name}>
      {errors.join(' ')}
    </span>
  );
}

interface TickProps {
  name: string;
  value?: string;
  defaultChecked?: boolean;
  checked?: boolean;
  onChange?: (checked: boolean) => void;
  disabled?: boolean;
  children: ReactNode;
}

export function Tick({ children, onChange, ...props }: TickProps) {
  return (
    <label className="tick">
      <input type="checkbox" {...props} onChange={onChange && ((event) => onChange(event.target.checked))} />
      <span>{children}</span>
    </label>
  );
}

/** What was typed, or null for nothing: how a field that may be missing is cleared. */
export function textOf(values: FormData, name: string): string | null {
  const text = String(values.get(name) ?? '').trim();
  return text === '' ? null : text;
}

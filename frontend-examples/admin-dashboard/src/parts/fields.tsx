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
  const errors = useId();
  return (
    <label className="field">
      <span>{label}</span>
      <select {...props} aria-describedby={props.name === undefined ? undefined : errors} onChange={onChange && ((event) => onChange(event.target.value))}>
        {options.map(([value, text]) => (
          <option key={value} value={value}>
            {text}
          </option>
        ))}
      </select>
      {props.name !== undefined && <ErrorsOf id={errors} name={props.name} />}
    </label>
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
export function ErrorsOf({ name, id }: { name: string; id?: string }) {
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
  disabled?: boolean;
  children: ReactNode;
}

export function Tick({ children, ...props }: TickProps) {
  return (
    <label className="tick">
      <input type="checkbox" {...props} />
      <span>{children}</span>
    </label>
  );
}

/** What was typed, or null for nothing: how a field that may be missing is cleared. */
export function textOf(values: FormData, name: string): string | null {
  const text = String(values.get(name) ?? '').trim();
  return text === '' ? null : text;
}

// Email and password. Who is refused reads why, and when the account is locked, for how long.
import { useId, useState, type FormEvent } from 'react';
import type { Session } from '../../../browser-session/session';

export function SignIn({ session }: { session: Session }) {
  const [isRunning, setRunning] = useState(false);
  const [refusal, setRefusal] = useState<string | null>(null);
  const id = useId();

  async function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const values = new FormData(event.currentTarget);
    setRunning(true);
    // Taken away first, so that the same refusal again is read out again.
    setRefusal(null);
    setRefusal(await attempt(session, String(values.get('email')), String(values.get('password'))));
    setRunning(false);
  }

  const said = { 'aria-invalid': refusal !== null, 'aria-describedby': refusal === null ? undefined : `${id}-refusal` };
  return (
    <form className="sign-in" aria-label="Sign in" onSubmit={(event) => void submit(event)}>
      <label htmlFor={`${id}-email`}>Email</label>
      <input id={`${id}-email`} name="email" type="email" autoComplete="username" required {...said} />
      <label htmlFor={`${id}-password`}>Password</label>
      <input id={`${id}-password`} name="password" type="password" autoComplete="current-password" required {...said} />
      <button type="submit" disabled={isRunning}>
        Sign in
      </button>
      {refusal !== null && (
        <p className="alert" role="alert" id={`${id}-refusal`}>
          {refusal}
        </p>
      )}
    </form>
  );
}

/** Why it failed; null where somebody is signed in now. */
async function attempt(session: Session, email: string, password: string): Promise<string | null> {
  try {
    const { errors, retryAfter } = await session.signIn(email, password, false);
    if (errors.length === 0) return null;
    // The service counts seconds; minutes read better.
    const messages = errors.map(({ message }) => message.replace(/ Try again in \d+ seconds?\.$/, ''));
    if (retryAfter !== null) messages.push(`Try again in ${minutes(retryAfter)}.`);
    return messages.join(' ');
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function minutes(seconds: number): string {
  const whole = Math.ceil(seconds / 60);
  return whole === 1 ? '1 minute' : `${whole} minutes`;
}

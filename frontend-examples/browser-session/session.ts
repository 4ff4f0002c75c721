// Who is signed in in this browser: the tokens, kept for all tabs, and the calls that change them. It needs no library.
//
// The tokens stand in localStorage, so that a second tab, or the explorer beside the dashboard, is signed in too. Where the server
// keeps the refresh token in a cookie (`http.refresh_cookie`), the one kept here is empty and the browser sends the cookie instead.

export interface Tokens {
  /** The session's id: another one means that somebody else may have signed in. */
  session: string;
  accessToken: string;
  /** Empty where a cookie keeps it. */
  refreshToken: string;
  /** Milliseconds since 1970, by this machine's clock. */
  expiresAt: number;
}

/** Something the person at the screen can put right. */
export interface FieldError {
  code: string;
  message: string;
  /** The input field it belongs to, e.g. ["input", "email"]. */
  path: string[];
}

export interface SignIn {
  errors: FieldError[];
  /** Seconds until another attempt can succeed, where the account is locked. */
  retryAfter: number | null;
}

/** Both are null where there are errors. */
interface Answer {
  session: { id: string } | null;
  tokens: { accessToken: string; refreshToken: string; expiresIn: number } | null;
}

const KEY = 'voicehive-tokens';
/** A token is refreshed a little before it expires, so that no request is sent for nothing. */
const MARGIN = 10_000;
/** Milliseconds in which what a tab writes to localStorage is there for the others. */
const SETTLED_AFTER = 300;
const SELECTION = 'session { id } tokens { accessToken refreshToken expiresIn } errors { code message path }';

/** Sent along with what nobody has asked for at the moment: the server then does not count it as use of the session. */
export const IN_BACKGROUND = { 'X-Background': 'true' };

/** What the service could not do, for reasons that the person at the screen cannot put right. */
export class ServiceError extends Error {
  constructor(
    message: string,
    /** The contract's code, or none where no answer came. */
    readonly code?: string,
  ) {
    super(message);
  }
}

export class Session {
  readonly #listeners = new Set<() => void>();
  #refreshing: Promise<Tokens | null> | null = null;
  #ended = false;
  /** Whether the person has done anything in this tab since the last refresh. */
  #touched = true;

  constructor(readonly endpoint = '/graphql') {
    // Fires in the other tabs, not in the one that wrote.
    addEventListener('storage', (event) => {
      if (event.key === KEY || event.key === null) this.#tell();
    });
    const touch = () => {
      this.#touched = true;
    };
    for (const deed of ['pointerdown', 'keydown']) addEventListener(deed, touch, { capture: true });
  }

  /** Null where nobody is signed in. */
  get tokens(): Tokens | null {
    const kept = localStorage.getItem(KEY);
    return kept === null ? null : (JSON.parse(kept) as Tokens);
  }

  get signedIn(): boolean {
    return localStorage.getItem(KEY) !== null;
  }

  /** Whether the last session was ended by the server and not by the person in this tab. */
  get ended(): boolean {
    return this.#ended;
  }

  /** Whether the access token would be refused by the time it arrives. */
  get expired(): boolean {
    return (this.tokens?.expiresAt ?? Infinity) - MARGIN < Date.now();
  }

  /** Calls `listener` whenever somebody signs in or out, or tokens are refreshed, in any tab. Returns how to stop. */
  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  async signIn(email: string, password: string, rememberMe: boolean): Promise<SignIn> {
    const { login } = await this.#post<{ login: SignIn & Answer }>(
      `mutation SignIn($input: LoginInput!) { login(input: $input) { ${SELECTION} retryAfter } }`,
      { input: { email, password, rememberMe } },
    );
    this.#keep(login);
    return { errors: login.errors, retryAfter: login.retryAfter };
  }

  /**
   * The tokens to go on with when `refused` was refused or has expired; null where the session is over, and then nobody is signed
   * in any more. Tabs take turns: whoever comes second finds what the first one got. Throws a ServiceError where the server cannot
   * be asked; the tokens are kept then.
   */
  async refresh(refused: string): Promise<Tokens | null> {
    this.#refreshing ??= this.#inTurn(async () => {
      const kept = this.tokens;
      if (kept === null || kept.accessToken !== refused) return kept;
      // A page that nobody uses keeps its tokens fresh, and its session no longer than one that is closed.
      const headers: Record<string, string> = this.#touched ? {} : IN_BACKGROUND;
      const { refresh } = await this.#post<{ refresh: Answer }>(
        `mutation Refresh($input: RefreshInput!) { refresh(input: $input) { ${SELECTION} } }`,
        { input: { refreshToken: kept.refreshToken } },
        headers,
      );
      this.#touched = false;
      this.#ended = refresh.tokens === null;
      if (this.#ended) this.forget();
      else this.#keep(refresh);
      return this.tokens;
    }).finally(() => {
      this.#refreshing = null;
    });
    return this.#refreshing;
  }

  /** Ends the session on the server, and here whatever the server says. */
  async signOut(): Promise<void> {
    const { accessToken, refreshToken } = this.tokens ?? {};
    this.#ended = false;
    this.forget();
    if (accessToken === undefined) return;
    // An access token that has expired meanwhile is no matter: the refresh token tells whose session it is. One that is over
    // already needs no ending, and one that cannot be ended now expires.
    await this.#post(
      'mutation SignOut($input: LogoutInput!) { logout(input: $input) { revokedSessions } }',
      { input: { refreshToken } },
      { Authorization: `Bearer ${accessToken}` },
    ).catch(() => undefined);
  }

  /** Nobody is signed in here any more; the server is not told. */
  forget(): void {
    localStorage.removeItem(KEY);
    this.#tell();
  }

  #keep({ session, tokens }: Answer): void {
    if (session === null || tokens === null) return;
    const { accessToken, refreshToken, expiresIn } = tokens;
    const kept: Tokens = { session: session.id, accessToken, refreshToken, expiresAt: Date.now() + expiresIn * 1000 };
    localStorage.setItem(KEY, JSON.stringify(kept));
    this.#tell();
  }

  #tell(): void {
    for (const listener of this.#listeners) listener();
  }

  /**
   * Browsers have locks on https and on this machine. Without, the server's patience with the last refresh token does. What one tab
   * has kept the others read a moment later: until then the next one waits.
   */
  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    if (navigator.locks === undefined) return work();
    return new Promise((resolve, reject) => {
      const turn = async () => {
        await work().then(resolve, reject);
        await new Promise((over) => setTimeout(over, SETTLED_AFTER));
      };
      navigator.locks.request('voicehive-refresh', turn).catch(reject);
    });
  }

  async #post<T>(query: string, variables: object, more: Record<string, string> = {}): Promise<T> {
    const headers = { 'Content-Type': 'application/json', Accept: 'application/graphql-response+json', ...more };
    let answer: { data?: T | null; errors?: { message: string; extensions?: { code?: string } }[] };
    try {
      const response = await fetch(this.endpoint, { method: 'POST', headers, body: JSON.stringify({ query, variables }) });
      answer = await response.json();
    } catch {
      throw new ServiceError('The service cannot be reached. Try again in a moment.');
    }
    const [error] = answer.errors ?? [];
    if (error !== undefined || answer.data == null) {
      throw new ServiceError(error?.message ?? 'The service did not answer.', error?.extensions?.code);
    }
    return answer.data;
  }
}

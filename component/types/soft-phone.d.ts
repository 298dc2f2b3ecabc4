// Types of the <soft-phone> element.

export type SoftPhoneRegistrationState =
  | "offline"
  | "connecting"
  | "registering"
  | "registered"
  | "unregistering"
  | "failed";

export type SoftPhoneCallState =
  | "dialing"
  | "ringing"
  | "early"
  | "incoming"
  | "answering"
  | "active"
  | "held"
  | "ending"
  | "ended";

export type SoftPhoneCause =
  | "answered-elsewhere"
  | "busy"
  | "cancelled"
  | "declined"
  | "failed"
  | "media-failed"
  | "missed"
  | "network"
  | "no-answer"
  | "not-found"
  | "redirected"
  | "remote-hangup"
  | "local-hangup"
  | "unavailable"
  | "unauthorized";

export type SoftPhoneProblem =
  | "not-configured"
  | "account-invalid"
  | "account-sign-in"
  | "account-missing"
  | "account-unreachable"
  | "server-url"
  | "network"
  | "not-sip"
  | "unauthorized"
  | "registrar-error"
  | "microphone-missing"
  | "microphone-denied"
  | "microphone-busy"
  | "microphone-waits"
  | "sound-blocked"
  | "unsupported"
  | "number-invalid"
  | "not-registered"
  | "transfer-failed"
  | "message-too-long"
  | "presence-refused"
  | "popup-blocked"
  | "calls-sign-in"
  | "calls-refused"
  | "calls-not-kept"
  | "lookup-failed"
  | "numbers-missing"
  | "not-loaded";

export type SoftPhoneMode = "floating" | "inline" | "popup" | "headless";
export type SoftPhoneCorner = "bottom-right" | "bottom-left" | "top-right" | "top-left";

/** Who signs in where. Fields that are left out come from the attributes. */
export interface SoftPhoneAccount {
  version?: 1;
  /** WebSocket URLs, best first: a list, or text with spaces between. */
  server?: string | string[];
  uri?: string;
  /** Name for the server's challenges; default: the user part of `uri`. */
  username?: string | null;
  password?: string | null;
  /** H(username:realm:password), instead of the password: 32 (MD5) or 64 (SHA-256) hexadecimal digits. */
  ha1?: string | null;
  displayName?: string | null;
  /** ISO 8601: when the account is fetched anew. */
  expiresAt?: string | null;
  iceServers?: { urls: string | string[]; username?: string; credential?: string }[];
  iceTransportPolicy?: "all" | "relay";
  /** How numbers are written and dialled where the user sits. */
  dialPlan?: {
    /** ISO 3166 code; default: the attribute `country`. */
    country?: string | null;
    /** Digits before numbers that are not the office's own; what follows is dialled as the country dials. */
    outPrefix?: string | null;
    /** Digits of the office's own numbers, at most. */
    extensionMaxDigits?: number | null;
    /** Numbers that are never rewritten, besides 112 and 911. */
    emergency?: string[] | null;
  } | null;
  /** The application's user: whose calls these are. */
  user?: { id?: string | number | null; name?: string | null } | null;
  /** What the application wants to see in each request that changes something. */
  csrf?: { name: string; value: string } | null;
}

/** What may become known of a call after it. */
export interface SoftPhoneLateFacts {
  notes?: string;
  outcome?: string | null;
  recordingUrl?: string | null;
  contact?: { type: string; id: string } | null;
}

export interface SoftPhoneRemote {
  readonly number: string;
  readonly uri: string;
  readonly name: string;
  /** Who it is, as the application says: its one contact with this number, or the one that the user has picked. */
  readonly contact: SoftPhoneContact | null;
}

/** Somebody whom the application knows. All is text, never markup. */
export interface SoftPhoneContact {
  type: string;
  id: string;
  name: string;
  /** Where the application shows it: `https:`, or `http:` on a page that came so; empty when nowhere. */
  url: string;
  company: string;
}

/** One call: the same object for as long as it lives, readable after it. */
export interface SoftPhoneCall {
  readonly id: string;
  /** Empty until the INVITE is sent. */
  readonly sipCallId: string;
  readonly direction: "inbound" | "outbound";
  readonly state: SoftPhoneCallState;
  readonly remote: SoftPhoneRemote;
  readonly startedAt: Date;
  readonly answeredAt: Date | null;
  readonly endedAt: Date | null;
  /** We have put it on hold. */
  readonly held: boolean;
  /** The far end has put us on hold. */
  readonly remoteHeld: boolean;
  readonly muted: boolean;
  /** As measured last; `null` in the first seconds. */
  readonly quality: SoftPhoneQuality | null;
  readonly cause: SoftPhoneCause | null;
  readonly localStream: MediaStream | null;
  readonly remoteStream: MediaStream | null;
  /** Settles when both can speak. */
  answer(): Promise<void>;
  /** Refuses a call that comes in, with 486 unless told otherwise (300 to 699). */
  reject(status?: number): Promise<void>;
  /** Settles when the call is over. */
  hangup(): Promise<void>;
  mute(): void;
  unmute(): void;
  /** Puts the far end on hold; settles when it has agreed. */
  hold(): Promise<void>;
  /** Takes the far end back from hold; another call that is spoken in is put on hold. */
  resume(): Promise<void>;
  /** Has the far end call `target`: a blind transfer. Settles when it was answered there; if not, the call goes on. */
  transfer(target: string): Promise<void>;
  /** Connects the far end with that of another call: an attended transfer. */
  transferTo(call: SoftPhoneCall): Promise<void>;
  /** Sends a call that comes in elsewhere; settles when it is over here. */
  redirect(target: string): Promise<void>;
  /** Rejects with the code `unsupported`: this version carries voice only. */
  setVideo(on: boolean): Promise<void>;
  /** As `setVideo`. */
  shareScreen(on: boolean): Promise<void>;
  /** Sends keypad tones (0 to 9, A to D, *, #, comma for a pause); settles when the last has been sent. */
  sendDtmf(tones: string, options?: { transport?: "rtp" | "info" }): Promise<void>;
  /** Says something about the call, also after it: in its record, and to the application. `undefined` changes nothing. */
  note(text?: string, disposition?: string): void;
}

/** How a call sounds. */
export interface SoftPhoneQuality {
  /** Mean opinion score by the E-model (ITU-T G.107), 1 to 4.5. */
  mos: number;
  /** There and back; `null` until it is known. */
  rttMs: number | null;
  jitterMs: number;
  lossPercent: number;
  /** What packets waited from their arrival until they were played, in the mean. */
  playoutDelayMs: number;
  /** Share of what was heard that stood for what did not arrive in time; `null` where it is not known. */
  concealedPercent: number | null;
  /** Who buffers what is received. */
  jitterBuffer: SoftPhoneEngine;
  engine: SoftPhoneEngine;
  /** Who suppresses noise in the microphone's sound; `null`: nobody, or it is not known yet. */
  noiseSuppression: SoftPhoneSuppressor | null;
}

/** Our neural engine, our spectral one, or the browser. */
export type SoftPhoneSuppressor = "neural" | "spectral" | "browser";

/** Who processes the microphone's sound; with `processing="off"` nobody does, and it says `browser`. */
export type SoftPhoneEngine = "rust" | "browser";

/** How what a call receives is played. Figures are `null` unless our own jitter buffer plays. */
export interface SoftPhoneReceived {
  jitterBuffer: SoftPhoneEngine;
  /** Why it is the browser's where our own was wanted. */
  reason: string | null;
  /** Share of real time that it takes. */
  load: number;
  delayMs: number | null;
  targetMs: number | null;
  /** Of all that was heard, 0 to 1. */
  concealedShare: number | null;
  stretchedShare: number | null;
  /** Packets. */
  received: number | null;
  lost: number | null;
  late: number | null;
  /** Lost ones that were played from a copy. */
  recovered: number | null;
  /** Refused ones. */
  errors: number | null;
}

/** How a call's microphone is processed. Figures are `null` while they are not known. */
export interface SoftPhoneVoice {
  /** `id` of the call. */
  call: string;
  engine: SoftPhoneEngine;
  /** Who suppresses noise; `null`: nobody, or it is not known yet. */
  noiseSuppression: SoftPhoneSuppressor | null;
  /** How what comes from the far end is played. */
  received: SoftPhoneReceived;
  /** Why it is the browser where our own engine was wanted, or the spectral engine where the neural one was. */
  reason: string | null;
  /** Share of real time that the engine takes. */
  load: number;
  levelDbfs: number | null;
  /** What the engine adds to the way of the voice. */
  latencyMs: number | null;
  erleDb: number | null;
  /** From the loudspeaker to the microphone. */
  delayMs: number | null;
  driftPpm: number | null;
  gainDb: number | null;
  noiseDbfs: number | null;
  speechProbability: number | null;
  doubleTalk: number | null;
}

/** What a call may bring along. */
export interface SoftPhoneCallOptions {
  /** More headers for the INVITE. Those that the phone writes itself are refused. */
  headers?: Record<string, string>;
  /** Do not tell the far end who calls (RFC 3323); the own server knows. */
  anonymous?: boolean;
  /** Ask that nobody needs to press a key at the far end (RFC 5373), which decides. */
  autoAnswer?: boolean;
}

export interface SoftPhoneDevice {
  readonly id: string;
  /** Empty before the microphone was allowed once. */
  readonly label: string;
}

/** What is plugged in and what is used. */
export interface SoftPhoneDevices {
  readonly microphones: SoftPhoneDevice[];
  readonly speakers: SoftPhoneDevice[];
  readonly cameras: SoftPhoneDevice[];
  /** The used one's `id`; empty: the system's default. */
  microphone: string;
  speaker: string;
  ringer: string;
}

/** A finished call. */
export interface SoftPhoneRecord {
  id: string;
  sipCallId: string;
  direction: "inbound" | "outbound";
  from: string;
  to: string;
  peerRaw: string;
  peerName: string | null;
  startedAt: string;
  answeredAt: string | null;
  endedAt: string;
  totalSeconds: number;
  talkSeconds: number;
  disposition: "answered" | "missed" | "busy" | "rejected" | "cancelled" | "failed" | "interrupted";
  cause: SoftPhoneCause;
  sipStatus: number | null;
  recordingUrl: null;
  notes: string;
  /** What it came to, in the words of the application. */
  outcome: string | null;
  /** `id` of the call whose far end had us make this one. */
  transferredFrom: string | null;
  quality: SoftPhoneQuality | null;
  contact: { type: string; id: string; name: string } | null;
}

/** Why a promise was rejected. */
export class SoftPhoneError extends Error {
  /** A problem, the cause of a call's end, or one of the three words. */
  readonly code:
    | SoftPhoneProblem
    | SoftPhoneCause
    | "vetoed"
    | "wrong-state"
    | "closed"
    | "package-unknown"
    | "status-unknown";
  readonly sipStatus: number | null;
  readonly sipReason: string | null;
}

export interface SoftPhoneRegistrationDetail {
  state: SoftPhoneRegistrationState;
  cause: SoftPhoneProblem | null;
  sipStatus: number | null;
  server: string | null;
  retryAt: Date | null;
}
export interface SoftPhoneIncomingDetail {
  call: SoftPhoneCall;
}
export interface SoftPhoneCallChangeDetail {
  call: SoftPhoneCall;
  state: SoftPhoneCallState;
  previous: SoftPhoneCallState | null;
}
export interface SoftPhoneCallEndDetail {
  call: SoftPhoneCall;
  record: SoftPhoneRecord;
}
export interface SoftPhoneDialDetail {
  /** E.164 where a number of the page is one; else what is dialled. */
  number: string;
  /** Where it was clicked: a link, an element with `data-phone`, the page's words, what `addNumbers` has named. */
  source: "window" | "script" | "transfer" | "link" | "data-phone" | "text" | "adapter";
}
/** Told before the answer where the application is quick, and once for each call. */
export interface SoftPhoneLookupDetail {
  call: SoftPhoneCall;
  /** All whom the number may belong to; empty: nobody is known. */
  candidates: SoftPhoneContact[];
  /** The only one, if it is one. */
  contact: SoftPhoneContact | null;
}
/** Elements that are numbers. */
export interface SoftPhoneNumberHook {
  selector: string;
  /** The number, or a link, of such an element; `null`: none. Default: its text. */
  number?: (element: Element) => string | null;
  /** Nobody else on the page hears of the click. */
  exclusive?: boolean;
}
export interface SoftPhoneQualityDetail extends SoftPhoneQuality {
  call: SoftPhoneCall;
}
/** A text of somebody else: never markup. */
export interface SoftPhoneMessageDetail {
  from: SoftPhoneRemote;
  /** `text/plain` or `text/html`, with its parameters. */
  contentType: string;
  body: string;
}
export type SoftPhonePackage = "presence" | "dialog" | "message-summary" | "reg";
/** How somebody is. */
export interface SoftPhonePresence {
  status: "available" | "busy" | "away" | "offline" | null;
  note: string | null;
  /** In the words of RFC 4480, such as `on-the-phone`. */
  activities: string[];
}
/** What somebody's phones are doing. */
export interface SoftPhoneDialogs {
  status: "free" | "ringing" | "busy";
  dialogs: {
    id: string;
    state: "trying" | "proceeding" | "early" | "confirmed" | "terminated";
    direction: "inbound" | "outbound" | null;
    callId: string | null;
    localTag: string | null;
    remoteTag: string | null;
    remoteUri: string | null;
    remoteName: string | null;
  }[];
}
/** Voice messages. */
export interface SoftPhoneMailbox {
  waiting: boolean;
  /** What to call to hear them. */
  account: string | null;
  new: number;
  old: number;
  urgentNew: number;
  urgentOld: number;
}
/** The phones that are registered. */
export interface SoftPhoneRegistrations {
  contacts: { aor: string; uri: string; name: string | null; expires: number | null }[];
}
interface SoftPhoneNotifyCommon<Package, State> {
  package: Package;
  target: string;
  /** `null` while nothing is known. */
  state: State | null;
  /** `null`: told without a subscription. */
  subscription: "pending" | "active" | "waiting" | "terminated" | null;
  /** Of a refusal. */
  sipStatus: number | null;
  reason: string | null;
  /** When it is tried again. */
  retryAt: Date | null;
}
export type SoftPhoneNotifyDetail =
  | SoftPhoneNotifyCommon<"presence", SoftPhonePresence>
  | SoftPhoneNotifyCommon<"dialog", SoftPhoneDialogs>
  | SoftPhoneNotifyCommon<"message-summary", SoftPhoneMailbox>
  | SoftPhoneNotifyCommon<"reg", SoftPhoneRegistrations>;
export interface SoftPhoneErrorDetail {
  code: string;
  message: string;
}

/** Safe to attach to a ticket. */
export interface SoftPhoneDiagnostics {
  version: string;
  registration: SoftPhoneRegistrationDetail;
  uri: string | null;
  /** Of the call that is spoken in, or as the next one would begin. */
  engine: SoftPhoneEngine;
  voice: SoftPhoneVoice[];
  /** Where calls to this account go, as the server lists it: this phone (`own`) and the user's others. */
  contacts: { uri: string; expires: number | null; own: boolean }[];
  calls: number;
  history: SoftPhoneRecord[];
  trace: { at: string; direction: "sent" | "received"; message: string }[];
}

export class SoftPhone extends HTMLElement {
  /** GET of the account JSON, with the page's cookies. The normal way to sign in: no secret in the DOM. */
  accountUrl: string;
  /** POST of call events: the application's cards of calls. Kept in the browser until its server has them. */
  callsUrl: string;
  /** How call events are written: as in the README, in JSON or as a field of a form, or as Zammad's generic CTI wants them. */
  callsStyle: "soft-phone" | "form" | "zammad";
  /** Notes after a call are required; its words, between commas, are the outcomes to choose from. */
  wrapUp: string;
  /** GET `?number=` with the page's cookies: who has a number, for calls that come and go. */
  lookupUrl: string;
  /** One or more `wss://` URLs, space separated, tried in order; `ws://` only to loopback. */
  server: string;
  /** Address of record, such as `sip:100@example.com`. */
  uri: string;
  /** Name shown to others. */
  displayName: string;
  /** How the phone is drawn; `popup`: in a window of its own, so that calls outlive the pages. */
  mode: SoftPhoneMode;
  /** Where the floating button stands. */
  corner: SoftPhoneCorner;
  /** Language of the window, BCP 47; else the document's, else English. */
  lang: string;
  /** ISO 3166 code of the country of numbers that are written without one. */
  country: string;
  /** Links with `tel:`, `sip:` and `callto:`, and elements with `data-phone`, are called by a click. */
  clickToCall: boolean;
  /** With `clickToCall`: numbers in the page's words become links. */
  scanText: boolean;
  /** Do not sign in by itself. */
  noRegister: boolean;
  /** Codecs by name, best first, such as `opus G722 PCMA PCMU`. */
  codecs: string;
  /** Answer a call at once, unless another one goes on. */
  autoAnswer: boolean;
  /** Who processes the microphone's sound. */
  processing: "auto" | "rust" | "browser" | "off";
  /** Who buffers and conceals what is received; `auto`: ours in Chromium, else the browser. */
  jitterBuffer: "auto" | "rust" | "browser";
  /** How much noise our own engine takes from the microphone: 12 dB, 6 dB, 20 dB, or by a neural engine loaded for it. */
  noiseSuppression: "moderate" | "low" | "high" | "neural";
  /** Do not cancel echo. */
  noEchoCancellation: boolean;
  /** Do not suppress noise. */
  noNoiseSuppression: boolean;
  /** Do not set the microphone's level. */
  noAutoGain: boolean;
  /** Refuse every call that comes in as busy. */
  doNotDisturb: boolean;
  /** Set: the account. Reads as null: secrets never come out. */
  get account(): null;
  set account(value: SoftPhoneAccount | null);
  /** Set: asked for the account, again before it expires and when the registrar refuses. Reads as null. */
  get credentials(): null;
  set credentials(value: (() => SoftPhoneAccount | Promise<SoftPhoneAccount>) | null);
  /** State of the sign-in. */
  readonly registration: SoftPhoneRegistrationState;
  /** Live calls, oldest first. */
  readonly calls: SoftPhoneCall[];
  /** The last 100 finished calls, oldest first. */
  readonly history: SoftPhoneRecord[];
  /** This tab has the phone; false where another tab of the same account has it. */
  readonly leader: boolean;
  /** What is plugged in and used. Set any of `microphone`, `speaker`, `ringer`. */
  get devices(): SoftPhoneDevices;
  set devices(value: Partial<SoftPhoneDevices>);
  /** Signs in. */
  register(): Promise<void>;
  /** Signs out. */
  unregister(): Promise<void>;
  /** Calls a number or address; settles when the INVITE is sent. */
  call(target: string, options?: SoftPhoneCallOptions): Promise<SoftPhoneCall>;
  /** Shows the window. */
  open(): void;
  /** Hides the window. */
  close(): void;
  /** Fills the number field and shows it; does not call. */
  dial(number: string): void;
  /** Connects these calls: each far end hears you and all the others. */
  conference(calls: Iterable<SoftPhoneCall>): Promise<void>;
  /** Sends a text, with its headers of at most 1300 bytes; settles when the far end, or a server for it, has taken it. */
  sendMessage(target: string, text: string): Promise<void>;
  /**
   * Tells by `soft-phone-notify` what changes, from the next sign-in on, until the function that it returns is called.
   * `message-summary` and `reg` are about this account when `target` is empty. Throws for what cannot be.
   */
  subscribe(target: string, name: SoftPhonePackage): () => void;
  /** Tells others how we are, for as long as we are signed in; `null` takes it back. Settles when the server knows. */
  publish(status: "available" | "busy" | "away" | "offline" | null, note?: string): Promise<void>;
  /** Tells the application what became known of a call late, a recording for example; settles with false when there is no such call. */
  updateCall(id: string, facts: SoftPhoneLateFacts): Promise<boolean>;
  /** More elements of the page that are numbers, for an integration; the function that it returns takes them back. */
  addNumbers(hook: SoftPhoneNumberHook): () => void;
  /** A SIP trace without secrets, and the state of the phone. */
  diagnostics(): SoftPhoneDiagnostics;
}

export interface SoftPhoneEventMap {
  "soft-phone-registration": CustomEvent<SoftPhoneRegistrationDetail>;
  "soft-phone-incoming": CustomEvent<SoftPhoneIncomingDetail>;
  "soft-phone-call-change": CustomEvent<SoftPhoneCallChangeDetail>;
  "soft-phone-call-end": CustomEvent<SoftPhoneCallEndDetail>;
  "soft-phone-dial": CustomEvent<SoftPhoneDialDetail>;
  "soft-phone-lookup": CustomEvent<SoftPhoneLookupDetail>;
  "soft-phone-message": CustomEvent<SoftPhoneMessageDetail>;
  "soft-phone-notify": CustomEvent<SoftPhoneNotifyDetail>;
  "soft-phone-quality": CustomEvent<SoftPhoneQualityDetail>;
  "soft-phone-error": CustomEvent<SoftPhoneErrorDetail>;
}

declare global {
  interface HTMLElementTagNameMap {
    "soft-phone": SoftPhone;
  }
  interface HTMLElementEventMap extends SoftPhoneEventMap {}
}

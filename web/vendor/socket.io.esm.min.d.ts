// The part of socket.io-client that the web client uses, for editors and the type check.

export interface Socket {
  readonly active: boolean;
  on(event: string, listener: (...values: any[]) => void): this;
  connect(): this;
  disconnect(): this;
  timeout(milliseconds: number): { emitWithAck(event: string, ...values: unknown[]): Promise<any> };
}

export interface Options {
  path: string;
  autoConnect: boolean;
  reconnectionDelay: number;
  reconnectionDelayMax: number;
}

export function io(options: Options): Socket;

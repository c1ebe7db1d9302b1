/** Names an order, so that the same request again makes nothing twice. Also where the site is not secure. */
export const newKey = (): string => [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, '0')).join('');

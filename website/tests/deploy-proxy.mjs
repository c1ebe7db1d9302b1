// A proxy as it stands in front of the operators' page: whoever reaches it is `user`, and every request
// is passed on with the signed headers that the webserver asks for. A real one knows its users; all
// else it has to do is here.
import { createHmac } from 'node:crypto';
import { createServer, request } from 'node:http';

/** Listens on a free port of this machine. Returns its address and how to stop it. */
export async function startProxy({ target, secret, user }) {
  const server = createServer((incoming, outgoing) => {
    const headers = Object.fromEntries(
      // What a client says about itself in these headers is not passed on.
      Object.entries(incoming.headers).filter(([name]) => !name.startsWith('x-dp-'))
    );
    const timestamp = String(Math.floor(Date.now() / 1000));
    Object.assign(headers, {
      'x-dp-host': incoming.headers.host,
      'x-dp-userid': user,
      'x-dp-timestamp': timestamp,
      'x-dp-signature': createHmac('sha512', secret).update(timestamp + user).digest('hex')
    });
    const onward = request(
      new URL(incoming.url, target),
      { method: incoming.method, headers },
      (answer) => {
        outgoing.writeHead(answer.statusCode, answer.headers);
        answer.pipe(outgoing);
      }
    );
    onward.on('error', () => outgoing.writeHead(502).end());
    outgoing.on('close', () => onward.destroy());
    incoming.pipe(onward);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    address: `http://127.0.0.1:${server.address().port}`,
    stop() {
      server.close();
      server.closeAllConnections();
    }
  };
}

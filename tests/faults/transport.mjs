/*
 * transport - chain nodes whose connections, replies and limits are not what they should be.
 */

/* Reset after byte k of what a node says, for growing k: what was asked meanwhile is answered. */
export async function L01(t) {
  const g = await t.ground();
  await g.start();
  for (let k = 0; k < t.times; k++) {
    await g.proxies[0].fault('reset', { at: 1 + 97 * k, dir: 'down', count: 4 });
    await g.proxies[0].fault('reset', { at: 13 * k, dir: 'down', open: true });
    const names = await g.ask(2);
    await g.heals(names, () => g.proxies[0].clear());
  }
  await g.finish();
}

/* The answers of a server in front of the node: none is believed, each is asked for again. */
export async function L12(t) {
  const g = await t.ground();
  await g.start();
  const page = '<html><body>nginx</body></html>';
  for (let k = 0; k < t.times; k++) {
    for (const status of [502, 503, 504, 200]) {
      const before = await g.look.counters();
      await g.proxies[0].fault('answer', { status, headers: { 'Content-Type': 'text/html' }, body: page });
      const names = await g.ask(2);
      await g.look.waitCounter('listener_rpc_errors', (n) => n > before.listener_rpc_errors);
      await g.heals(names, () => g.proxies[0].clear());
    }
  }
  await g.finish();
}

/* Follows the log of a job that runs: appends its lines as they come. Without this file the page
   shows what was said when it was asked for. */
(() => {
  const MOST = 5000;
  let source = null, from = '';
  const row = (id, line) => {
    const li = document.createElement('li'), a = document.createElement('a'), text = document.createElement('span');
    li.id = id; if (line.level === 'error') li.className = 'err';
    a.href = `#${id}`; a.textContent = line.number; a.setAttribute('aria-label', `Line ${line.number}`);
    text.textContent = '  '.repeat(line.group) + line.text;
    li.append(a, text);
    return li;
  };
  const add = (box, line) => {
    const id = `S${line.step}L${line.number}`, list = box.querySelector(`#S${line.step} ol`);
    if (!list || document.getElementById(id)) return;
    const last = list.lastElementChild, atEnd = last && last.getBoundingClientRect().bottom < innerHeight + 40;
    if (last && !last.id) last.remove();
    list.append(row(id, line));
    while (list.children.length > MOST) list.firstElementChild.remove();
    if (atEnd) list.lastElementChild.scrollIntoView({ block: 'nearest' });
  };
  const changed = () => document.dispatchEvent(new Event('headway:changed'));
  const follow = () => {
    const box = document.querySelector('.log[data-follow]');
    const wanted = box ? box.dataset.follow : '';
    if (wanted === from) return;
    source?.close(); source = null; from = wanted;
    if (!wanted) return;
    source = new EventSource(wanted);
    source.addEventListener('line', e => { const now = document.querySelector('.log[data-follow]'); if (now) add(now, JSON.parse(e.data)); });
    source.addEventListener('step', e => { const step = JSON.parse(e.data).step; if (!document.getElementById(`S${step}`)) changed(); });
    source.addEventListener('end', () => { source.close(); changed(); });
  };
  document.addEventListener('headway:renewed', follow);
  addEventListener('pagehide', () => source?.close());
  follow();
})();

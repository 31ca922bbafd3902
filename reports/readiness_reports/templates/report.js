// Filter, search, open on arrival, copy. The page is whole without it: the toolbar stays hidden then.
(() => {
  'use strict';
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const folds = all('details');

  // Browsers without ::details-content print what is folded only if it is open.
  let closed = [];
  addEventListener('beforeprint', () => { closed = folds.filter(f => !f.open); for (const f of closed) f.open = true; });
  addEventListener('afterprint', () => { for (const f of closed) f.open = false; closed = []; });

  for (const pre of all('.paste pre')) {
    const button = document.createElement('button');
    button.type = 'button';
    button.textContent = 'Copy';
    button.addEventListener('click', async () => {
      getSelection().selectAllChildren(pre);
      try {
        await navigator.clipboard.writeText(pre.textContent);
        button.textContent = 'Copied';
      } catch {
        button.textContent = 'Selected';
      }
      setTimeout(() => { button.textContent = 'Copy'; }, 2000);
    });
    pre.after(button);
  }

  const tools = document.querySelector('.tools');
  if (!tools) return;
  const find = tools.querySelector('[type=search]'), owner = tools.querySelector('select'), said = tools.querySelector('output');
  const sections = all('.sec').map(element => ({ element, topics: all('.topic', element) }));
  const topics = all('.topic').map(element => ({
    element,
    title: element.querySelector('summary').textContent.toLowerCase(),
    units: all('[data-is]', element).map(part => ({ part, is: part.dataset.is.split(' '), owner: part.dataset.owner, text: null })),
  }));
  tools.hidden = false;

  const apply = () => {
    const kind = tools.querySelector(':checked').value, who = owner.value;
    const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const { element, title, units } of topics) {
      let any = !units.length && kind === 'all' && !who && !words.length;
      for (const unit of units) {
        if (words.length && unit.text === null) unit.text = title + ' ' + unit.part.textContent.toLowerCase();
        const fits = (kind === 'all' || unit.is.includes(kind)) && (!who || unit.owner === who) && words.every(w => unit.text.includes(w));
        unit.part.classList.toggle('off', !fits);
        any ||= fits;
      }
      element.classList.toggle('off', !any);
      shown += any;
    }
    for (const { element, topics: own } of sections) element.classList.toggle('off', own.every(t => t.classList.contains('off')));
    said.textContent = shown < topics.length ? shown + ' of ' + topics.length + ' requirements' : '';
  };
  const reset = () => { tools.querySelector('[value=all]').checked = true; owner.value = ''; find.value = ''; apply(); };
  tools.addEventListener('input', apply);
  tools.addEventListener('submit', event => event.preventDefault());
  for (const button of tools.querySelectorAll('button')) {
    button.addEventListener('click', () => { for (const { element } of topics) element.open = button.value === 'open'; });
  }
  addEventListener('keydown', event => {
    if (event.key === '/' && !event.ctrlKey && !event.metaKey && !event.altKey && !event.target.closest('input, select, textarea')) {
      event.preventDefault();
      find.focus();
    } else if (event.key === 'Escape' && event.target === find) reset();
  });

  // A link must arrive, whatever is filtered or folded.
  const arrive = () => {
    const at = location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!at) return;
    if (at.closest('.off')) reset();
    for (let fold = at.closest('details'); fold; fold = fold.parentElement.closest('details')) fold.open = true;
    at.scrollIntoView();
  };
  addEventListener('hashchange', arrive);
  addEventListener('click', event => {
    const link = event.target.closest('a[href^="#"]');
    if (link && link.hash === location.hash) arrive();
  });
  apply();
  arrive();
})();

// Filter and search the sites. The page is whole without it: the toolbar stays hidden then.
(() => {
  'use strict';
  const tools = document.querySelector('.tools'), find = tools.querySelector('[type=search]'), said = tools.querySelector('output');
  const sites = [...document.querySelectorAll('.sites > li')].map(element => ({ element, kind: element.dataset.kind, text: element.textContent.toLowerCase() }));
  const apply = () => {
    const kind = tools.querySelector(':checked').value;
    const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const { element, kind: own, text } of sites) {
      const fits = (kind === 'all' || kind === own) && words.every(word => text.includes(word));
      element.classList.toggle('off', !fits);
      shown += fits;
    }
    said.textContent = shown < sites.length ? shown + ' of ' + sites.length + ' sites' : '';
  };
  tools.hidden = false;
  tools.addEventListener('input', apply);
  tools.addEventListener('submit', event => event.preventDefault());
  addEventListener('keydown', event => {
    if (event.key === '/' && !event.ctrlKey && !event.metaKey && !event.altKey && !event.target.closest('input')) {
      event.preventDefault();
      find.focus();
    } else if (event.key === 'Escape' && event.target === find) {
      tools.querySelector('[value=all]').checked = true;
      find.value = '';
      apply();
    }
  });
  apply();
})();

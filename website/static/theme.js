// Runs before the first paint, so that the page never flashes in the wrong theme.
(function () {
  var choice = null;
  try {
    choice = localStorage.getItem('theme');
  } catch (error) {
    // Storage is switched off: the system's preference counts.
  }
  var dark =
    choice === 'dark' ||
    (choice !== 'light' && matchMedia('(prefers-color-scheme: dark)').matches);
  document.documentElement.classList.toggle('dark', dark);
})();

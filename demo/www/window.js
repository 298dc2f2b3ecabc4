// The switch "Phone in a window of its own": the phone's mode on every page of the CRM, remembered in this browser.

const KEY = 'demo-own-window';
const phone = document.querySelector('soft-phone');
const choice = document.querySelector('#own-window');

if (phone && choice) {
  choice.checked = localStorage.getItem(KEY) !== null;
  const apply = () => { phone.mode = choice.checked ? 'popup' : 'floating'; };
  choice.addEventListener('change', () => {
    if (choice.checked) localStorage.setItem(KEY, '');
    else localStorage.removeItem(KEY);
    apply();
  });
  apply();
}

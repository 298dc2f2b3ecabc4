// Creme's own buttons behind numbers (`a.cti-phonecall`) call by the phone. They name this function when they are clicked.
import './soft-phone.js';

const phone = document.querySelector('soft-phone');

if (window.creme?.cti) {
  window.creme.cti.phoneCall = async (_server, _creme, number, entity) => {
    phone.open();
    try {
      const call = await phone.call(String(number).trim());
      await phone.updateCall(call.id, { contact: { type: '', id: String(entity) } });
    } catch {
      // The phone's window says why.
    }
  };
}

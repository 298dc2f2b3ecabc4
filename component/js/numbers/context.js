// Whether digits in the words of a page, which could be a telephone number, are meant as one: judged by what stands
// around them and by how they are written. Order numbers, accounts and taxes have as many digits as telephones.

/** Without case and accents, which people leave out. */
const bare = (text) => text.toLowerCase().normalize('NFD').replace(/\p{M}/gu, '');

function stems(...lists) {
  return new Set(lists.flatMap((list) => bare(list).split(' ')));
}

/** Beginnings of words that announce a telephone number. */
const PHONE = stems(
  'тел телеф моб мобил сот факс звон позвон перезвон дзвон контакт whatsapp viber telegram signal вотсап ватсап вайбер',
  'tel telef telep phone mob mobil cel cell handy call ring dial sms text fax contact hotline landline reach gsm',
  'kom zadzwo dzwo telefon telefoon anruf ruf erreichbar appel appelez llam lig ligue chiam bel bellen ara arayın arayin',
  'volejte zavolej puhelin soita sun app whats numer',
);
const PHONE_SIGNS = /(?:電話|电话|電話番号|お問い合わせ|טלפון|نلفون|هاتف|☎|📞|📱|✆|\b[tmpf]\s?[:.])[\s:：.]*$/iu;
/** Beginnings of words that announce something else. */
const OTHER = stems(
  'order invoice ref reference case ticket sku part account acc acct card room id code tracking track version ver ip isbn issn ean upc',
  'ssn ein vat tax iban swift bic serial model item policy passport licence license zip postcode page pages port total sum amount pin utr',
  'заказ счет счёт сч инн кпп бик огрн снилс окпо октмо договор наклад артикул арт код трек штрих полис паспорт карт верси',
  'сумм индекс кадастр лот дело акт стр гост версия версии тикет заявк обращен унп рс кор',
  'rechnung kunde kunden bestell auftrag ust steuer hrb svnr uid plz vertrag konto',
  'commande facture siret siren sécu securité sécurité numéro dossier contrat compte',
  'ordine fattura piva codice contratto pedido factura nif cif rfc clabe folio cpf cnpj cep protocolo contrato cuenta conta',
  'zamówien faktur nip regon pesel umow wersj ordernummer factuur bestelling kvk btw bsn klant',
  'sipariş siparis vergi kimlik fatura order job abn acn bsb tfn org personnummer bankgiro ocr objedn ičo dič č účt gstin pan aadhaar ifsc',
);
const OTHER_SIGNS = /(?:[№#=]|\bn[o°ºr]\b\.?|\bnum\.?|[a-zа-я]*nr\.?|\ba\/c|р\/с|к\/с|注文番号|請求書|〒|הזמנה|ת\.ז\.)[\s:：]*$/iu;
/** Units behind a quantity. */
const UNIT = /^\s?(?:\p{Sc}|%|°|руб|р\.|шт|км|кг|мл|м\b|zł|kč|kr\b|tl\b|eur|usd|gbp|chf|rub|users|units|pcs|km\b|kg\b|mm\b|cm\b)/iu;

/** Whether a word begins with one of the stems; short stems are whole words. */
const begins = (word, set) => {
  for (let length = word.length; length > 0; length -= 1) {
    if (set.has(word.slice(0, length)) && (length > 3 || word.length - length <= 2)) return true;
  }
  return false;
};

/** What was said last before this place, in the same sentence: `phone`, `other`, or nothing. */
function announced(before) {
  const clause = before.slice(-48).split(/[!?\n|•·;]|\.\s+(?=\p{Lu})/u).at(-1);
  if (OTHER_SIGNS.test(clause)) return 'other';
  if (PHONE_SIGNS.test(clause)) return 'phone';
  const words = bare(clause).match(/\p{L}+/gu) ?? [];
  for (const word of words.reverse().slice(0, 4)) {
    if (begins(word, OTHER)) return 'other';
    if (begins(word, PHONE)) return 'phone';
  }
  return null;
}

/** The groups that the digits are written in. */
const groups = (text) => text.match(/\d+/g) ?? [];

/**
 * `found` is `{start, end, number, others}`: a place in `text`, what the library read there, and the places of what else
 * it found. True when a reader would take it for a telephone number.
 */
export function isMeant(text, { start, end, number, others }) {
  const before = text.slice(0, start);
  const after = text.slice(end);
  const raw = text.slice(start, end);
  const isNext = others.some((other) => other.start >= end && /^[\s,;/|]*$/.test(text.slice(end, other.start)));
  const isPrevious = others.some((other) => other.end <= start && /^[\s,;/|]*$/.test(text.slice(other.end, start)));
  // Part of something longer: a word, a decimal, a date, a time, a range, an address of a page.
  if (/[\p{L}\p{N}_@$€£₽\\=&.-]$/u.test(before) || /\d[,:/]$/.test(before) || /(?<!\s)\/$/.test(before)) return false;
  if (/^[\p{L}\p{N}_@\\=°%-]/u.test(after) || /^[.,:/]\d/.test(after)) return false;
  if (!isNext && /^[\s/-]{1,3}\d/.test(after)) return false;
  if (!isPrevious && /\d[\p{L}\d]*[\s-]{1,3}$/u.test(before)) return false;
  if (!isPrevious && /\b[A-Z]{2}\s?\d{2}(?:\s?[A-Z0-9]{2,4})+\s?$/.test(before)) return false;
  if (UNIT.test(after) || /\p{Sc}\s?$/u.test(before)) return false;
  if (/^\d{1,4}([./-])\d{1,2}\1\d{1,4}/.test(raw) && groups(raw).length <= 4 && /[12]\d{3}/.test(raw)) return false;
  if (/^\d{1,3}(\.\d{1,3}){3}$/.test(raw)) return false;
  const said = announced(isPrevious ? '' : before);
  if (said) return said === 'phone' || raw.startsWith('+');
  if (raw.startsWith('+')) return true;
  // Nobody has said what it is: it must be written as numbers are, in the groups of its country.
  const written = groups(raw);
  if (written.length < 2) return false;
  if (/^\(?\d{1,5}\)/.test(raw.replace(/^8\s?/, '')) || isPrevious) return true;
  const national = groups(number.formatNational());
  const tail = (list) => list.slice(1).map((group) => group.length).join();
  const same = written.length === national.length && written.every((group, index) => group.length === national[index].length);
  return same || (written.length > 2 && (raw.startsWith('0') || raw.startsWith('8')) && tail(written) !== '');
}

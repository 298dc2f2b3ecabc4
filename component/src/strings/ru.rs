//! Russian.

use soft_phone_sip::presence::Availability;

use super::{Plural, Sound, Text};
use crate::state::lamps::LampState;
use crate::state::{CallState, Cause, DeviceKind, Direction, Problem, RegistrationState};

/// CLDR: `one` is 1, 21, 31 but not 11; `few` is 2 to 4, 22 to 24 but not 12 to 14; all else `many`.
pub(super) fn plural(count: u32) -> Plural {
    match (count % 10, count % 100) {
        (1, tens) if tens != 11 => Plural::One,
        (2..=4, tens) if !(12..=14).contains(&tens) => Plural::Few,
        _ => Plural::Many,
    }
}

/// The sentence in Russian.
pub(super) fn text(text: Text) -> &'static str {
    match text {
        Text::Phone => "Телефон",
        Text::OpenPhone => "Открыть телефон",
        Text::ClosePhone => "Закрыть телефон",
        Text::MoveWindow => "Переместить окно. Стрелки двигают его, Home возвращает на место.",
        Text::Number => "Номер для звонка",
        Text::NumberHint => "Имя или номер",
        Text::Erase => "Удалить последний символ",
        Text::Keypad => "Клавиши набора",
        Text::Call => "Позвонить",
        Text::HangUp => "Завершить",
        Text::Answer => "Ответить",
        Text::Decline => "Отклонить",
        Text::Mute => "Без микрофона",
        Text::Hold => "Удержать",
        Text::Transfer => "Перевести",
        Text::Redirect => "Переадресовать",
        Text::NewCall => "Новый звонок",
        Text::ConnectBoth => "Соединить их и выйти",
        Text::Conference => "Конференция",
        Text::InConference => "Идёт конференция",
        Text::OtherCalls => "Другие звонки",
        Text::ShowKeypad => "Цифры",
        Text::Back => "Назад к разговору",
        Text::TonesSent => "Отправленные цифры",
        Text::Settings => "Настройки",
        Text::Device(DeviceKind::Microphone) => "Микрофон",
        Text::Device(DeviceKind::Speaker) => "Динамик",
        Text::Device(DeviceKind::Ringer) => "Звонок на",
        Text::SystemDevice => "Как в системе",
        Text::UnnamedDevice => "Устройство %",
        Text::DoNotDisturb => "Не беспокоить",
        Text::AutoAnswer => "Отвечать автоматически",
        Text::HideNumber => "Скрывать мой номер",
        Text::PreferredCodec => "Кодек",
        Text::AnyCodec => "Любой",
        Text::SignOut => "Отключить",
        Text::Sound(Sound::Good) => "Хорошая слышимость",
        Text::Sound(Sound::Fair) => "Средняя слышимость",
        Text::Sound(Sound::Poor) => "Плохая слышимость: проверьте сеть",
        Text::RemoteHeld => "Собеседник поставил вас на удержание",
        Text::CallWaits => "Сети нет. Звонок ждёт, пока она вернётся.",
        Text::SoundInterrupted => "Звук прервался. Соединяем его снова…",
        Text::ServerAway => "Нет связи с сервером телефонии. Разговор можно продолжать.",
        Text::MicrophoneLevel => "Уровень микрофона",
        Text::Duration => "Длительность разговора",
        Text::Dismiss => "Понятно",
        Text::TryAgain => "Повторить сейчас",
        Text::SignIn => "Подключить",
        Text::EnableSound => "Включить звук",
        Text::UnknownCaller => "Неизвестный номер",
        Text::Registration(state) => registration(state),
        Text::InCall(state) => call(state),
        Text::Muted => "Ваш микрофон выключен",
        Text::Problem(problem) => self::problem(problem),
        Text::Ended(cause, direction) => ended(cause, direction),
        Text::ForwardedBy => "Переадресовано: %",
        Text::IsCalling => "Вам звонит %",
        Text::IncomingBody => "Нажмите, чтобы увидеть звонок.",
        Text::RetrySeconds(Plural::One) => "Следующая попытка через % секунду.",
        Text::RetrySeconds(Plural::Few) => "Следующая попытка через % секунды.",
        Text::RetrySeconds(Plural::Many) => "Следующая попытка через % секунд.",
        Text::RetryMinutes(Plural::One) => "Следующая попытка через % минуту.",
        Text::RetryMinutes(Plural::Few) => "Следующая попытка через % минуты.",
        Text::RetryMinutes(Plural::Many) => "Следующая попытка через % минут.",
        Text::RetryNow => "Пробуем снова…",
        Text::Messages => "Сообщения",
        Text::MessagesUnread => "Сообщения, новых: %",
        Text::MessageTo => "Кому",
        Text::MessageText => "Сообщение",
        Text::Send => "Отправить",
        Text::MessageFrom => "%:",
        Text::MessageYou => "Вы для %:",
        Text::MessageSending => "Отправляется…",
        Text::NotDelivered(cause) => not_delivered(cause),
        Text::Colleagues => "Коллеги",
        Text::WatchHint => "За кем следить",
        Text::WatchKind => "За чем следить",
        Text::WatchLine => "Звонки",
        Text::WatchPresence => "Присутствие",
        Text::Watch => "Следить",
        Text::Unwatch => "Больше не следить за %",
        Text::Lamp(LampState::Unknown) => "пока неизвестно",
        Text::Lamp(LampState::Refused) => "сервер не сообщает",
        Text::Lamp(LampState::Free) => "свободен",
        Text::Lamp(LampState::Ringing) => "ему звонят",
        Text::Lamp(LampState::Busy) => "занят",
        Text::Lamp(LampState::Away) => "отошёл",
        Text::Lamp(LampState::Offline) => "недоступен",
        Text::OwnStatus => "Я сейчас",
        Text::Status(None) => "Не сообщать",
        Text::Status(Some(Availability::Available)) => "На месте",
        Text::Status(Some(Availability::Busy)) => "Занят",
        Text::Status(Some(Availability::Away)) => "Отошёл",
        Text::Status(Some(Availability::Offline)) => "Недоступен",
        Text::MailboxNew => "Есть новые голосовые сообщения",
        Text::MailboxCount => "Новых голосовых сообщений: %",
    }
}

fn not_delivered(cause: Cause) -> &'static str {
    match cause {
        Cause::NotFound => "Не доставлено: такого адреса нет.",
        Cause::Unavailable | Cause::NoAnswer | Cause::Busy => "Не доставлено: сейчас недоступен. Попробуйте позже.",
        Cause::Declined => "Не доставлено: сообщение отклонено.",
        Cause::Unauthorized => "Не доставлено: вам нельзя писать туда. Обратитесь к администратору.",
        Cause::Network => "Связь прервалась: сообщение могло не дойти.",
        _ => "Не доставлено. Если это повторится, сообщите администратору.",
    }
}

fn registration(state: RegistrationState) -> &'static str {
    match state {
        RegistrationState::Offline => "Телефон не подключён",
        RegistrationState::Connecting => "Подключаемся…",
        RegistrationState::Registering => "Входим…",
        RegistrationState::Registered => "Готов к звонкам",
        RegistrationState::Unregistering => "Отключаемся…",
        RegistrationState::Failed => "Войти не удалось. Попробуйте через несколько минут.",
    }
}

fn call(state: CallState) -> &'static str {
    match state {
        CallState::Dialing => "Звоним…",
        CallState::Ringing => "Ждём ответа…",
        CallState::Early => "Звоним… Линию уже слышно.",
        CallState::Incoming => "Входящий звонок",
        CallState::Answering => "Соединяем…",
        CallState::Active => "Идёт разговор",
        CallState::Held => "На удержании",
        CallState::Ending => "Завершаем звонок…",
        CallState::Ended => "Звонок завершён",
    }
}

fn problem(problem: Problem) -> &'static str {
    match problem {
        Problem::NotConfigured => "Телефон ещё не настроен. Попросите администратора выдать вам номер.",
        Problem::AccountInvalid => {
            "Настройки телефона не читаются. Попросите администратора проверить вашу учётную запись телефона."
        }
        Problem::AccountSignIn => "Вы вышли из системы. Войдите снова и обновите страницу.",
        Problem::AccountMissing => "У вас нет номера. Попросите администратора его добавить.",
        Problem::AccountUnreachable => "Не удалось загрузить настройки телефона. Проверьте подключение к интернету.",
        Problem::ServerUrl => {
            "Адрес сервера телефонии не защищён. Попросите администратора указать адрес, который начинается с wss://."
        }
        Problem::Network => "Нет связи с сервером телефонии. Проверьте подключение к интернету.",
        Problem::NotSip => "Сервер отвечает, но это не сервер телефонии. Попросите администратора проверить его адрес.",
        Problem::Unauthorized => {
            "Сервер телефонии не принял имя пользователя или пароль. Попросите администратора их проверить."
        }
        Problem::RegistrarError => {
            "Сервер телефонии не смог вас подключить. Если это повторится, сообщите администратору."
        }
        Problem::MicrophoneMissing => "Микрофон не найден. Подключите его и попробуйте снова.",
        Problem::MicrophoneDenied => {
            "Доступ к микрофону запрещён. Разрешите его в настройках сайта рядом с адресом страницы и попробуйте снова."
        }
        Problem::MicrophoneBusy => {
            "Микрофон недоступен. Закройте другие программы, которые могут его занимать, и попробуйте снова."
        }
        Problem::MicrophoneWaits => "Вас пока не слышно: разрешите микрофон, когда браузер спросит.",
        Problem::SoundBlocked => "Браузер не включает звук, пока вы не нажмёте на кнопку.",
        Problem::Unsupported => {
            "В этом браузере звонить нельзя. Обновите его или откройте Chrome, Edge, Firefox или Safari."
        }
        Problem::NumberInvalid => "Этот номер нельзя набрать. Проверьте его и позвоните снова.",
        Problem::TransferFailed => "Перевести звонок не удалось. Разговор остался у вас.",
        Problem::MessageTooLong => "Сообщение слишком длинное. Отправьте его двумя частями.",
        Problem::PresenceRefused => "Телефонный сервер не сообщает другим, на месте ли вы.",
        Problem::PopupBlocked => {
            "Браузер не открыл окно телефона. Телефон работает на этой странице; разрешите сайту всплывающие окна."
        }
        Problem::NotRegistered => "Для звонков нужна связь с сервером телефонии. Подключитесь и позвоните снова.",
    }
}

fn ended(cause: Cause, direction: Direction) -> &'static str {
    match (cause, direction) {
        (Cause::AnsweredElsewhere, _) => "Ответили на другом вашем телефоне",
        (Cause::Busy, Direction::Outbound) => "Линия занята. Перезвоните чуть позже.",
        (Cause::Busy, Direction::Inbound) => "Вы были заняты, звонившему это сообщили",
        (Cause::Cancelled, _) => "Звонок отменён",
        (Cause::Declined, Direction::Outbound) => "Ваш звонок отклонили. Перезвоните позже.",
        (Cause::Declined, Direction::Inbound) => "Вы отклонили звонок",
        (Cause::Failed, _) => "Позвонить не удалось. Попробуйте снова, а если не поможет, сообщите администратору.",
        (Cause::MediaFailed, _) => "Не удалось соединить звук. Попробуйте снова или смените сеть.",
        (Cause::Missed, _) => "Пропущенный звонок: %",
        (Cause::Network, _) => "Связь прервалась. Проверьте подключение к интернету и позвоните снова.",
        (Cause::NoAnswer, Direction::Outbound) => "Никто не ответил. Перезвоните позже.",
        (Cause::NoAnswer, Direction::Inbound) => "На звонок не ответили",
        (Cause::NotFound, _) => "Такого номера нет. Проверьте его и позвоните снова.",
        (Cause::Redirected, _) => "Номер изменился. Уточните новый.",
        (Cause::RemoteHangup, _) => "Собеседник завершил звонок",
        (Cause::LocalHangup, _) => "Вы завершили звонок",
        (Cause::Unavailable, _) => "Абонент сейчас недоступен. Перезвоните позже.",
        (Cause::Unauthorized, _) => "Звонить на этот номер вам не разрешено. Обратитесь к администратору.",
    }
}

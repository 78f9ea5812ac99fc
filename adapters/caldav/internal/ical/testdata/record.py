#!/usr/bin/python3
"""Records what python3-recurring-ical-events and python3-icalendar make of events.txt: in expected.txt, for each event the times at which
alice@example.test is busy in 2026, in Unix seconds. And what python3-dateutil makes of rules that are made at random: in rules.txt.

Run it in this directory after a change of events.txt, with Debian's packages of these names.
"""
import datetime
import random
import signal

import dateutil.rrule
import dateutil.tz
import icalendar
import recurring_ical_events

USER = "alice@example.test"
ZONE = dateutil.tz.gettz("Europe/Berlin")
FROM, TO = datetime.datetime(2026, 1, 1), datetime.datetime(2027, 1, 1)
UTC = datetime.timezone.utc


def instant(moment):
    if not isinstance(moment, datetime.datetime):
        moment = datetime.datetime.combine(moment, datetime.time())
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=ZONE)
    return int(moment.timestamp())


def is_busy(event):
    attendees = event.get("ATTENDEE", [])
    for attendee in attendees if isinstance(attendees, list) else [attendees]:
        if attendee.lower() == "mailto:" + USER and attendee.params.get("PARTSTAT") != "ACCEPTED":
            return False
    return (
        event.get("TRANSP") != "TRANSPARENT"
        and event.get("STATUS") not in ("CANCELLED", "TENTATIVE")
        and event.get("X-MICROSOFT-CDO-BUSYSTATUS") != "FREE"
    )


def calendars():
    name, events = None, []
    for block in open("events.txt", encoding="utf-8").read().split("== ")[1:]:
        title, text = block.split("\n", 1)
        uid = "" if "UID:" in text else "UID:1\n"
        event = "BEGIN:VEVENT\n" + uid + "DTSTAMP:20250101T000000Z\n" + text + "END:VEVENT\n"
        if title.startswith("+ "):
            events.append(event)
            continue
        if name:
            yield name, events
        name, events = title, [event]
    yield name, events


def record_events():
    with open("expected.txt", "w", encoding="utf-8") as out:
        for name, events in calendars():
            text = "BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//example.test//test//EN\n" + "".join(events) + "END:VCALENDAR\n"
            calendar = icalendar.Calendar.from_ical(text.replace("\n", "\r\n"))
            times = set()
            for event in recurring_ical_events.of(calendar).between(FROM - datetime.timedelta(2), TO + datetime.timedelta(2)):
                first, last = event["DTSTART"].dt, event["DTEND"].dt
                if first == last and not isinstance(first, datetime.datetime):
                    last += datetime.timedelta(1)  # a date without DTEND is a day (RFC 5545, 3.6.1)
                start, end = instant(first), instant(last)
                window = FROM.replace(tzinfo=UTC).timestamp(), TO.replace(tzinfo=UTC).timestamp()
                if is_busy(event) and start < end and start < window[1] and end > window[0]:
                    times.add((start, end))
            out.write(name + "\t" + " ".join("%d-%d" % t for t in sorted(times)) + "\n")


def random_rule(rng):
    freq = rng.choice(["DAILY", "WEEKLY", "MONTHLY", "YEARLY", "HOURLY"])
    parts = ["FREQ=" + freq]

    def some(values, most):
        return ",".join(str(v) for v in sorted(set(rng.choices(values, k=rng.randint(1, most)))))

    if rng.random() < 0.5:
        parts.append("INTERVAL=%d" % rng.randint(1, 5))
    if rng.random() < 0.3:
        parts.append("WKST=" + rng.choice(["SU", "MO", "TH"]))
    if rng.random() < 0.4:
        parts.append("BYMONTH=" + some(range(1, 13), 5))
    plain = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"]
    if rng.random() < 0.5:
        days = plain
        if freq in ("MONTHLY", "YEARLY") and rng.random() < 0.5:
            days = ["%d%s" % (n, d) for n in (1, 2, 3, 4, -1, -2) for d in plain]
        parts.append("BYDAY=" + some(days, 4))
    elif freq == "YEARLY" and rng.random() < 0.4:
        parts.append("BYWEEKNO=" + some([1, 2, 20, 52, 53, -1, -2], 3) + ";BYDAY=" + some(plain, 3))
    elif freq == "YEARLY" and rng.random() < 0.4:
        parts.append("BYYEARDAY=" + some([1, 59, 60, 61, 366, -1, -366, 200], 4))
    if freq != "WEEKLY" and "YEARDAY" not in parts[-1] and rng.random() < 0.3:
        parts.append("BYMONTHDAY=" + some([1, 2, 13, 28, 29, 30, 31, -1, -2, -31], 6))
    if rng.random() < 0.3:
        parts.append("BYHOUR=" + some(range(24), 3))
    if rng.random() < 0.2:
        parts.append("BYMINUTE=" + some([0, 15, 30], 2))
    if len(parts) > 1 and freq != "HOURLY" and any(p.startswith("BY") for p in parts) and rng.random() < 0.3:
        parts.append("BYSETPOS=" + some([1, 2, -1, -2, 5], 2))
    if rng.random() < 0.3:
        parts.append("COUNT=%d" % rng.randint(1, 200))
    elif rng.random() < 0.3:
        parts.append("UNTIL=2026%02d%02dT103000Z" % (rng.randint(1, 12), rng.randint(1, 28)))
    return ";".join(parts)


def give_up(*_):
    raise TimeoutError


def record_rules():
    signal.signal(signal.SIGALRM, give_up)
    rng = random.Random(13)
    with open("rules.txt", "w", encoding="utf-8") as out:
        for _ in range(700):
            start = datetime.datetime(rng.randint(2019, 2026), rng.randint(1, 12), rng.randint(1, 28), rng.randint(0, 23), 30, tzinfo=UTC)
            text = random_rule(rng)
            try:
                rule = dateutil.rrule.rrulestr(text, dtstart=start)
            except ValueError:  # it never matches
                continue
            found = []
            signal.alarm(1)
            try:
                for at in rule.xafter(datetime.datetime(2025, 12, 31, 23, 59, 59, tzinfo=UTC), count=60, inc=False):
                    if at >= TO.replace(tzinfo=UTC):
                        break
                    found.append(str(int(at.timestamp())))
            except TimeoutError:  # it hardly ever matches
                continue
            finally:
                signal.alarm(0)
            out.write("%s\t%s\t%s\n" % (start.strftime("%Y%m%dT%H%M%SZ"), text, " ".join(found[:59])))


record_events()
record_rules()

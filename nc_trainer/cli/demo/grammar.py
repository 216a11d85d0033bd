"""The phrases that the demo's messages are made of: six intents and what customers say about each.

A word in braces is a slot: `{item}` becomes one of `SLOTS["item"]`, which may hold slots itself.
"""

INTENTS = ("account", "billing", "delivery", "product", "returns", "technical")

SLOTS = {
    "item": (
        "{colour} {thing}",
        "{thing}",
        "{thing}",
        "new {thing}",
        "{thing} and the {thing}",
    ),
    "colour": ("black", "white", "red", "blue", "grey", "green", "silver"),
    "thing": (
        "kettle",
        "lamp",
        "desk",
        "headset",
        "camera",
        "backpack",
        "jacket",
        "router",
        "printer",
        "blender",
        "watch",
        "keyboard",
        "monitor",
        "heater",
        "tent",
        "speaker",
        "toaster",
        "bike light",
        "coffee machine",
    ),
    "when": (
        "yesterday",
        "last week",
        "on monday",
        "on friday",
        "two days ago",
        "this morning",
        "a month ago",
        "over the weekend",
        "in march",
        "last night",
    ),
    "days": ("two", "three", "four", "five", "six", "seven", "ten", "twelve"),
    "amount": ("12", "15", "19.90", "24", "35.50", "49", "60", "89.99", "120", "240"),
    "order": ("my order", "order {number}", "the {item}", "my {item}", "the parcel", "my package"),
    "number": ("10482", "20817", "31155", "48230", "55019", "60771", "73904", "88126"),
    "money": ("charged", "billed", "debited"),
    "card": ("card", "credit card", "bank account", "paypal account"),
    "bill": ("invoice", "bill", "receipt", "statement"),
    "courier": ("courier", "driver", "carrier", "delivery service"),
    "late": ("late", "delayed", "overdue", "behind schedule"),
    "login": ("log in", "sign in", "get into my profile", "open my profile"),
    "app": ("app", "website", "site", "checkout page", "mobile app"),
    "fails": ("crashes", "freezes", "hangs", "shows an error", "goes blank", "stops responding"),
    "broken": ("broken", "faulty", "defective", "cracked", "scratched"),
    "back": ("send back", "return", "hand back", "give back"),
}

CORES = {
    "account": (
        "i cannot {login} any more",
        "i forgot the password for my profile",
        "please change my email address",
        "my profile has been locked since {when}",
        "how do i delete my profile",
        "somebody else tried to {login} with my name",
        "the reset link for my password never works",
        "i want to update my phone number",
        "i need to merge two profiles into one",
        "i would like to stop getting the newsletter at this address",
        "your system says my user name is taken",
    ),
    "billing": (
        "i was {money} twice for {order}",
        "you {money} my {card} {amount} euros too much",
        "the {bill} for {order} is wrong",
        "please send me the {bill} again",
        "there is a payment of {amount} on my {card} that i do not know",
        "the discount code was not taken off the price",
        "can i pay for {order} by {bill}",
        "why was i {money} {amount} euros {when}",
        "the tax on my {bill} looks too high",
        "i want to pay in {days} parts",
        "my {card} was {money} although i cancelled",
    ),
    "delivery": (
        "{order} is {late} by {days} days",
        "where is {order}",
        "{order} has not arrived yet",
        "the {courier} left {order} with a neighbour i do not know",
        "when will {order} be here",
        "the tracking for {order} has not moved since {when}",
        "the {courier} never rang the bell",
        "can you bring {order} to another street",
        "{order} was shipped to the wrong town",
        "i need {order} {days} days earlier",
        "the {courier} says nobody was home {when}",
    ),
    "product": (
        "does the {item} come in {colour}",
        "is the {item} waterproof",
        "how heavy is the {item}",
        "when will the {item} be in stock",
        "what is the difference between the {thing} and the {thing}",
        "does the {thing} work with my {thing}",
        "how long does the battery of the {item} last",
        "do you sell spare parts for the {item}",
        "which {thing} would you recommend for a beginner",
        "is the {colour} {thing} the same size as the {colour} one",
        "are there {days} cups in one set",
    ),
    "returns": (
        "i want to {back} the {item}",
        "the {item} is {broken} and i want a new one",
        "how can i {back} {order}",
        "i ordered the wrong size and would like to swap it",
        "you sent a {colour} {thing} and not a {colour} one",
        "the label to {back} the {item} is missing",
        "the {item} was {broken} when i opened the box",
        "how many days do i have to {back} the {item}",
        "i would like to exchange the {item} for a {thing}",
        "please collect the {broken} {thing} from me",
    ),
    "technical": (
        "the {app} {fails} when i search",
        "the {app} {fails} on my phone",
        "the {app} {fails} since the update",
        "pictures do not load on the {app}",
        "i cannot add the {thing} to the basket, the button does nothing",
        "the {app} is very slow {when}",
        "the search on the {app} finds nothing at all",
        "the {app} {fails} every time i open it",
        "the {app} switches to another language by itself",
        "filters on the {app} have no effect",
        "i get error {number} on the {app}",
    ),
}

TOPICS = {
    "account": ("my profile", "my password", "the login", "my user name"),
    "billing": ("the payment", "the {bill}", "the price", "my {card}"),
    "delivery": ("the delivery", "the {courier}", "the tracking", "the shipping"),
    "product": ("the size of the {thing}", "the stock", "the colours of the {thing}", "spare parts"),
    "returns": ("a return", "an exchange", "the {broken} {thing}", "the return label"),
    "technical": ("the {app}", "an error message", "the search on the {app}", "the update of the {app}"),
}

SATISFIED = {
    "account": ("i can {login} without trouble", "my password works again", "my profile is up to date"),
    "billing": (
        "the payment went through",
        "the {bill} is correct",
        "my {card} was {money} the right amount",
    ),
    "delivery": ("{order} came on time", "the {courier} was very friendly", "{order} arrived {when}"),
    "product": (
        "the {item} is really nice",
        "the {thing} is just what i wanted",
        "the {colour} {thing} is lovely",
    ),
    "returns": ("the exchange of the {thing} was easy", "you already took the {broken} {thing} back"),
    "technical": ("the {app} works well now", "the {app} is easy to use", "the error on the {app} is gone"),
}

# What could mean either of two intents; nobody could tell which from the text alone.
AMBIGUOUS = {
    ("billing", "returns"): (
        "where is my refund for {order}",
        "i still wait for {amount} euros for the {item}",
    ),
    ("delivery", "returns"): ("{order} came with the wrong {thing}", "the box of the {item} was empty"),
    ("account", "technical"): ("the {app} will not let me in", "the {app} does not know me any more"),
    ("billing", "technical"): ("the {app} {fails} when i pay", "i cannot pay for {order} on the {app}"),
    ("account", "delivery"): (
        "i have moved, please use my new address",
        "the address for {order} is an old one",
    ),
    ("product", "returns"): ("the {item} is smaller than i thought", "the {thing} does not fit my {thing}"),
}

OPENINGS = ("hello, ", "hi, ", "hi there, ", "good morning, ", "dear team, ", "hey, ", "", "", "", "", "")
CLOSINGS = (". thanks", ". please help", "! please answer soon", ". kind regards", "?", ".", "", "", "", "")

# `{core}` decides the label; the other words in braces belong to another intent.
FRAMES = {
    "plain": ("{core}", "{core}", "i have a question: {core}", "it happened again: {core}"),
    "distractor": (
        "{satisfied}, but {core}",
        "{core}, although {satisfied}",
        "{satisfied}. however, {core}",
        "{core}. apart from that {satisfied}",
    ),
    "negation": (
        "this is not about {topic}: {core}",
        "i do not need help with {topic}, {core}",
        "{core}. it has nothing to do with {topic}",
        "i thought it was {topic}, but no, {core}",
    ),
    "priority": (
        "{other}, that can wait, but {core}",
        "{core}. later we can talk about this: {other}",
        "never mind that {other}. what matters is that {core}",
        "first of all {core}, only then {other}",
    ),
}

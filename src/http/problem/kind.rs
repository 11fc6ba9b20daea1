//! Every kind of problem that the API answers with: its stable name, its status, and what people are told about it.
//!
//! This is the one place that maps an error to a status. A kind is never renamed; `GET /problems/{code}` explains it.

use axum::http::StatusCode;

/// One kind of problem.
#[derive(Debug, PartialEq, Eq)]
pub struct Kind {
    /// The stable name: the last part of the problem type.
    pub code: &'static str,
    /// The status that it is answered with.
    pub status: StatusCode,
    /// A short summary, the same for every occurrence.
    pub title: &'static str,
    /// What it means and what to do about it.
    pub explanation: &'static str,
}

/// The kind with this name, where there is one.
#[must_use]
pub fn find(code: &str) -> Option<&'static Kind> {
    ALL.iter().find(|kind| kind.code == code).copied()
}

macro_rules! kinds {
    ($($name:ident = $status:ident $code:literal $title:literal $explanation:literal;)*) => {
        $(
            #[doc = $title]
            pub static $name: Kind = Kind {
                code: $code,
                status: StatusCode::$status,
                title: $title,
                explanation: $explanation,
            };
        )*

        /// All kinds.
        pub static ALL: &[&Kind] = &[$(&$name),*];
    };
}

kinds! {
    // The request itself.
    NOT_FOUND = NOT_FOUND "not-found" "There is no such address"
        "No route of the API has this path. The list of routes is at /openapi.json, and to try at /docs.";
    METHOD_NOT_ALLOWED = METHOD_NOT_ALLOWED "method-not-allowed" "The address has no such method"
        "The path exists, but not with this method. The header Allow names those it has.";
    MALFORMED_REQUEST = BAD_REQUEST "malformed-request" "The request cannot be read"
        "The body broke off or the request is not HTTP as the node speaks it.";
    MALFORMED_JSON = BAD_REQUEST "malformed-json" "The body is not JSON"
        "The body breaks the rules of JSON at the line and column given (both counted from 1).";
    INVALID_FIELD = UNPROCESSABLE_ENTITY "invalid-field" "A field of the body is not valid"
        "The body is JSON, but a field is missing, unknown, or holds what it cannot. `pointer` (RFC 6901) says which \
         one. Unknown fields are refused because a misspelt discount must not be overlooked.";
    INVALID_PARAMETER = BAD_REQUEST "invalid-parameter" "A parameter of the address is not valid"
        "A part of the path or of the query holds what it cannot; the detail says which.";
    UNSUPPORTED_MEDIA_TYPE = UNSUPPORTED_MEDIA_TYPE "unsupported-media-type" "The body's media type is not JSON"
        "Send bodies with `Content-Type: application/json`.";
    BODY_TOO_LARGE = PAYLOAD_TOO_LARGE "body-too-large" "The body is too large"
        "Bodies are bounded. Send what is long in several requests.";
    KEY_MISSING = BAD_REQUEST "idempotency-key-missing" "The header Idempotency-Key is missing"
        "Every POST that writes needs a key of the client's making, so that a repeat after a broken connection is not \
         done twice: any 1 to 64 visible ASCII characters, a new key for each new request, the same for its repeats.";
    KEY_INVALID = BAD_REQUEST "idempotency-key-invalid" "The header Idempotency-Key is not valid"
        "A key is 1 to 64 visible ASCII characters without spaces.";
    LONG_MADE = CONFLICT "long-made" "The movement was made long ago"
        "A movement under this key was made so long ago that its record is no longer kept. It is not made again.";
    KEY_REUSED = CONFLICT "idempotency-key-reused" "The key was used for another request"
        "This device has sent another body, or another path, under the same Idempotency-Key. Nothing was done. A new \
         request needs a new key; a repeat must be the same to the byte.";
    TIMED_OUT = SERVICE_UNAVAILABLE "timed-out" "The request took too long"
        "The node gave up waiting. Whether the request has taken effect is not known: repeat it with the same \
         Idempotency-Key and the first answer comes again where it has.";

    // Who asks.
    TOKEN_MISSING = UNAUTHORIZED "token-missing" "A token is needed"
        "Send `Authorization: Bearer TOKEN`. A device gets its token by pairing: POST /v1/pair with the code that the \
         node or a manager shows.";
    TOKEN_UNKNOWN = UNAUTHORIZED "token-unknown" "The token is not known"
        "The token was never given out by this node, or its device was removed. Pair again.";
    ROLE_FORBIDDEN = FORBIDDEN "role-forbidden" "The device's role may not do this"
        "The device is paired with a role that this call is not for. A manager can pair it with another one.";
    NOT_A_TILL = FORBIDDEN "not-a-till" "The device has no register"
        "Only a device that is paired with a register has a series to sell under. Pair it with one.";
    PRICE_NOT_ALLOWED = FORBIDDEN "price-not-allowed" "The device may not state prices"
        "The till states a price that is not the item's. Leave `unit_price` out, or pair the device with the permission \
         `state_prices`.";
    DISCOUNT_NOT_ALLOWED = FORBIDDEN "discount-not-allowed" "The device may not give discounts"
        "A kiosk sells at the price that is asked: what a customer types there must not lower it. Leave `discount` out.";
    TIME_OUTSIDE_WINDOW = FORBIDDEN "time-outside-window" "The time is too far from the node's"
        "A till that was cut off may report within the days that the node is configured for. For older sales pair the \
         device with the permission `backdate`; for others look at both clocks.";
    PAIRING_CODE_UNKNOWN = FORBIDDEN "pairing-code-unknown" "There is no such pairing code"
        "The code was mistyped, or its time has been over for long. A manager makes a new one.";
    PAIRING_CODE_EXPIRED = FORBIDDEN "pairing-code-expired" "The pairing code's time is over"
        "A code is good for ten minutes. A manager makes a new one.";
    PAIRING_CODE_USED = FORBIDDEN "pairing-code-used" "The pairing code was used"
        "A code is good for one device. A repeat with the same Idempotency-Key gets the same token again; anyone else \
         needs a new code.";
    HOLD_OF_ANOTHER = FORBIDDEN "hold-of-another" "Another device opened the hold"
        "A kiosk may only use the holds that it opened itself. Staff at a till may use any.";
    TOO_MANY_REQUESTS = TOO_MANY_REQUESTS "too-many-requests" "Too many requests"
        "This device or address asks more often than it may. Wait as long as the header Retry-After says.";

    OTHER_NODE = FORBIDDEN "other-node" "The token is not this node's"
        "A kiosk's node is paired under its own name and belongs to the site of the store that it is paired with. What          it says of itself differs: look at `node` and `site` in its configuration, or pair it anew.";

    // What is not there.
    NOT_A_PARENT = NOT_FOUND "not-a-parent" "The node takes no kiosks"
        "Only a store's node is the parent of kiosks' nodes; a node that has a parent itself is not.";
    PRODUCT_NOT_FOUND = NOT_FOUND "product-not-found" "There is no such product"
        "The catalog of this node has no item with this number.";
    DOCUMENT_NOT_FOUND = NOT_FOUND "document-not-found" "There is no such sale or refund"
        "This node has recorded no sale or refund under this number. Documents of other nodes are at headquarters; \
         very old ones may have been pruned here.";
    CART_NOT_FOUND = NOT_FOUND "cart-not-found" "There is no such cart"
        "No cart has this identity, or it was over days ago. A change of it begins it.";
    CART_OF_ANOTHER = FORBIDDEN "cart-of-another" "The cart belongs to another device"
        "A kiosk changes and pays the carts that it began itself.";
    CART_PAID = CONFLICT "cart-paid" "The cart was paid"
        "Another till was first. The field `sale` names its sale.";
    CART_VOID = CONFLICT "cart-void" "The cart was given up"
        "Begin another one.";
    CART_TOTAL_CHANGED = CONFLICT "cart-total-changed" "The cart comes to another sum by now"
        "Another till has changed it, or a price has changed. Look at the cart again and tell the customer its `total`.";
    NO_SUCH_CART_LINE = UNPROCESSABLE_ENTITY "no-such-cart-line" "The cart has no such line"
        "Another till may have removed it. Look at the cart again.";
    CART_LINE_EXISTS = UNPROCESSABLE_ENTITY "cart-line-exists" "The cart has such a line already"
        "Give each new line an identity of its own, such as a UUID.";
    CART_QUANTITY = UNPROCESSABLE_ENTITY "cart-quantity" "A line's quantity is out of range"
        "A line's quantity is over 0.";
    TOO_MANY_STEPS = UNPROCESSABLE_ENTITY "too-many-steps" "A request has too many steps"
        "Send them in several requests.";
    ALERT_NOT_FOUND = NOT_FOUND "alert-not-found" "There is no such alert"
        "This node has told no alert under this number, or it was over so long ago that it is no longer kept.";
    CODE = UNPROCESSABLE_ENTITY "code-unreadable" "The code cannot be read"
        "What was scanned is damaged or names no item: `detail` says what is wrong and where. Scan it again, or type the \
         number below it.";
    THRESHOLD = UNPROCESSABLE_ENTITY "threshold" "The threshold is out of range"
        "A threshold is not below 0 and at most a million units; null stands for the site's default.";
    NOTE_MISSING = UNPROCESSABLE_ENTITY "note-missing" "The reason needs a note"
        "The reason `other` says nothing by itself. Say in `note` what it is.";
    SAME_PLACE = UNPROCESSABLE_ENTITY "same-place" "The goods would stay where they are"
        "A move goes from one place of the site to another: `sellable` or `damaged`.";
    WORK_QUANTITY = UNPROCESSABLE_ENTITY "work-quantity" "The quantity does not fit the work"
        "Goods in, losses and moves are over 0, a correction is not 0, a count is not below 0; each line is at most a \
         million units.";
    WORK_COST = UNPROCESSABLE_ENTITY "work-cost" "Only goods that come in have a cost"
        "Leave `cost` out of work of any other kind.";
    COUNT_MARK = CONFLICT "count-mark" "There is no such mark to count from"
        "A mark is of this node as it is now: after a restore, or after so long that its records are no longer kept, a \
         count begins anew with `POST /v1/stock/counts`.";
    HOLD_NOT_OPEN = NOT_FOUND "hold-not-open" "There is no such open hold"
        "The hold was sold, released or handed over, its time ran out, or this node never had it. What has ended is in \
         the history of its items.";
    HOLD_USED = CONFLICT "hold-used" "The hold was opened before"
        "A hold's identity follows from the device and its Idempotency-Key, and this one is open already under another \
         request. Use a new key.";
    NOT_ENOUGH_TO_PROMISE = CONFLICT "not-enough-to-promise" "There is not enough to promise"
        "A promise needs rights, and this node has too few for the lines that `short` lists; `promisable` says how much \
         of each it could promise. Nothing is held. Goods in a customer's hand can be sold all the same.";
    HOLD_OF_PICKUP = CONFLICT "hold-of-pickup" "The hold belongs to a pickup"
        "The goods wait for a customer who ordered them online. They are free again once the pickup is refused or \
         cancelled, or its time has run out.";
    STORE_NOT_REACHED = CONFLICT "store-not-reached" "There is no store to hand the hold over to"
        "A kiosk's own node hands holds over to its store while the two are connected. Nothing was handed over: sell the \
         goods here, or sell them at the till as goods in hand and release this hold.";
    PICKUP_NOT_FOUND = NOT_FOUND "pickup-not-found" "There is no such pickup"
        "No pickup of this identity was ordered, or it was over so long ago that it is no longer kept.";
    PICKUP_OVER = CONFLICT "pickup-over" "The pickup is over"
        "It was collected, refused or cancelled, or its time ran out. Nothing was decided.";
    PICKUP_NOT_PAID = CONFLICT "pickup-not-paid" "The pickup is not paid"
        "The customer pays here: record a sale with the pickup's identity as its `hold`.";
    TRANSFER_NOT_FOUND = NOT_FOUND "transfer-not-found" "There is no such transfer"
        "This site has not heard of a transfer of this identity. What arrives against a paper can be received all the same.";
    TRANSFER_STATE = CONFLICT "transfer-state" "The transfer is further, or over"
        "Goods leave once and arrive once, and a transfer is called off only while nothing has left. Nothing was done.";
    TRANSFER_ELSEWHERE = CONFLICT "transfer-elsewhere" "Another site does that"
        "The site that the goods leave dispatches them, the one that they go to receives them. Nothing was done.";
    TRANSFER_QUANTITY = UNPROCESSABLE_ENTITY "transfer-quantity" "The quantity is not one of a transfer"
        "What is asked for or leaves is over 0; what arrives is 0 where an item that was sent is missing.";
    TRANSFER_DIFFERENCE = UNPROCESSABLE_ENTITY "transfer-difference" "Other goods arrived than left"
        "`differences` lists by item what left and what arrived. Count again, or repeat with a `reason`; the difference is \
         then kept and told.";
    SAME_SITE = UNPROCESSABLE_ENTITY "same-site" "It is the same site"
        "Goods go from one site to another.";
    NOT_IN_THE_HOLD = UNPROCESSABLE_ENTITY "not-in-the-hold" "The hold does not hold that"
        "What leaves out of a hold is at most what it holds of each item.";
    HOLD_QUANTITY = UNPROCESSABLE_ENTITY "hold-quantity" "The quantity cannot be held"
        "A line holds more than 0, and at most as much as the device's role may.";
    HOLD_LIFETIME = UNPROCESSABLE_ENTITY "hold-lifetime" "The hold would last too long"
        "A hold lasts at least one second and at most as long as the device's role may; it can be extended while it is \
         open.";
    ITEM_REPEATED = UNPROCESSABLE_ENTITY "item-repeated" "An item is on two lines"
        "Each item stands on one line, with all of its quantity.";
    TOO_MANY_HOLDS = CONFLICT "too-many-holds" "The device has too many holds open"
        "Sell or release some of them first. The bound keeps one device from locking the shop.";
    DEVICE_UNKNOWN = NOT_FOUND "device-unknown" "There is no such device"
        "No device is paired under this number.";
    NO_LINK = NOT_FOUND "no-link" "The node has no link"
        "The node has no headquarters configured, so there is nothing to cut or to mend.";
    PROBLEM_NOT_FOUND = NOT_FOUND "problem-not-found" "There is no such problem"
        "The list of problems is at /problems.";

    // Why a sale is not made.
    ID_USED = CONFLICT "id-used" "The identity belongs to another sale or refund"
        "The till's series and counter were used before, with other content. Nothing was done. A till counts on with \
         every sale and refund; one that has lost its count is paired anew and gets a new series.";
    COUNTER_OUT_OF_RANGE = UNPROCESSABLE_ENTITY "counter-out-of-range" "The counter is out of range"
        "A till counts its sales and refunds from 1.";
    UNKNOWN_SKU = UNPROCESSABLE_ENTITY "unknown-sku" "An item is not in the catalog"
        "The catalog of this node has no item with this SKU. Nothing was done.";
    UNKNOWN_GTIN = UNPROCESSABLE_ENTITY "unknown-gtin" "A bar code is not in the catalog"
        "The catalog of this node has no item with this bar code. Nothing was done.";
    AMBIGUOUS_GTIN = UNPROCESSABLE_ENTITY "ambiguous-gtin" "A bar code belongs to several items"
        "Several items of the catalog carry this bar code. Name the item by its SKU.";
    DISCOUNT_AMOUNT = UNPROCESSABLE_ENTITY "discount-amount" "A discount is not an amount of the currency"
        "A discount is whole minor units of the currency, such as cents.";
    TENDER_AMOUNT = UNPROCESSABLE_ENTITY "tender-amount" "A tender is not an amount of the currency"
        "A payment is whole minor units of the currency, such as cents.";
    DEVICE_NAME = UNPROCESSABLE_ENTITY "device-name" "A device's name is not valid"
        "A name has 1 to 60 characters, none of them control characters.";
    NO_LINES = UNPROCESSABLE_ENTITY "no-lines" "There are no lines"
        "A sale, a refund and a movement each need at least one line.";
    TOO_MANY_LINES = UNPROCESSABLE_ENTITY "too-many-lines" "There are too many lines"
        "Split it into several.";
    TOO_MANY_TENDERS = UNPROCESSABLE_ENTITY "too-many-tenders" "There are too many tenders"
        "Sum up payments of the same kind.";
    QUANTITY_NOT_POSITIVE = UNPROCESSABLE_ENTITY "quantity-not-positive" "A quantity is not over 0"
        "Goods that come back are a refund, not a negative line.";
    QUANTITY_TOO_LARGE = UNPROCESSABLE_ENTITY "quantity-too-large" "A quantity is too large"
        "A line holds at most a million units. A bar code may have been scanned into the quantity.";
    UNKNOWN_TAX_CLASS = UNPROCESSABLE_ENTITY "unknown-tax-class" "A tax class has no rate"
        "The item's tax class has no rate in this node's configuration; an operator has to add it.";
    TOO_MANY_TAX_CLASSES = UNPROCESSABLE_ENTITY "too-many-tax-classes" "There are too many tax classes"
        "Split the sale.";
    LINE_DISCOUNT = UNPROCESSABLE_ENTITY "line-discount-out-of-range" "A line's discount is out of range"
        "A discount is from 0 to the line's amount.";
    BASKET_DISCOUNT = UNPROCESSABLE_ENTITY "basket-discount-out-of-range" "The basket's discount is out of range"
        "The discount on the whole basket is from 0 to what the lines' own discounts leave.";
    PROMOTION_OUT_OF_RANGE = INTERNAL_SERVER_ERROR "promotion-out-of-range" "Promotions take more than a line costs"
        "A defect of the node: its promotions disagree with its prices. Sell the line at a price stated by hand.";
    TIP_NOT_TAKEN = UNPROCESSABLE_ENTITY "tip-not-taken" "The site takes no tips"
        "Leave `tip` out, or set `tips = true` in the node's configuration.";
    TIP_NEGATIVE = UNPROCESSABLE_ENTITY "tip-negative" "A tip is negative"
        "A tip is 0 or more.";
    TIP_AMOUNT = UNPROCESSABLE_ENTITY "tip-amount" "A tip is not an amount of the currency"
        "A tip is whole minor units of the currency, such as cents.";
    AMOUNT_TOO_LARGE = UNPROCESSABLE_ENTITY "amount-too-large" "An amount is too large"
        "A sum does not fit. A quantity or a price is absurd.";
    TENDER_NOT_POSITIVE = UNPROCESSABLE_ENTITY "tender-not-positive" "A tender is not over 0"
        "Every payment is over 0. Change is computed, never stated.";
    TENDERS_SHORT = UNPROCESSABLE_ENTITY "tenders-do-not-cover-total" "The tenders do not cover the total"
        "The payments sum to less than is to be paid. Prices or tax may differ from what the till had in mind.";
    CHANGE_WITHOUT_CASH = UNPROCESSABLE_ENTITY "change-without-cash" "Only cash gives change"
        "What is paid by other means than cash may not be over the total.";

    // Why stock does not move.
    NO_CHANGE = UNPROCESSABLE_ENTITY "no-change" "A movement changes nothing"
        "A change is not 0. To set what there is, state `quantity`.";
    REFERENCE = UNPROCESSABLE_ENTITY "reference" "A reference is not valid"
        "A reference has at most 200 characters, none of them control characters.";

    // Why a refund is not made.
    UNKNOWN_SALE = UNPROCESSABLE_ENTITY "unknown-sale" "The sale is not known here"
        "This node has recorded no such sale, or has pruned it. A sale is refunded at the node that made it.";
    NO_SUCH_LINE = UNPROCESSABLE_ENTITY "no-such-line" "The sale has no such line"
        "Lines are counted from 1, as they stand on the receipt.";
    MORE_THAN_SOLD = UNPROCESSABLE_ENTITY "more-than-was-sold" "More is to come back than was sold"
        "Over all refunds of a sale, no line gives back more than was sold on it.";
    TENDERS_DIFFER = UNPROCESSABLE_ENTITY "tenders-differ-from-total" "The tenders differ from the total"
        "A refund pays back exactly its total; `total` says how much that is.";
    RECORDS_INCONSISTENT = UNPROCESSABLE_ENTITY "records-inconsistent" "What is recorded does not add up"
        "The sale and its earlier refunds contradict each other, so nothing can be taken back from it here. An \
         operator runs `verify`, which says what differs.";

    // What headquarters cannot do.
    RECORD_NOT_FOUND = NOT_FOUND "record-not-found" "There is no such record"
        "Headquarters has no record under this number, or has never set it aside. Its list is at /v1/set-aside.";
    RECORD_DEALT_WITH = CONFLICT "record-dealt-with" "The record has been dealt with"
        "The record was repaired before, or could be read after an upgrade. A repair takes effect once.";
    REPLACEMENT_UNUSABLE = UNPROCESSABLE_ENTITY "replacement-unusable" "The replacement cannot take the record's place"
        "Only a sale, a refund or a movement can take a record's place, and its totals must follow from its lines.";
    INCARNATION_NOT_FOUND = NOT_FOUND "incarnation-not-found" "There is no such incarnation"
        "Headquarters has never heard of this incarnation of the node. Those that it knows are at /v1/nodes.";
    ALREADY_SETTLED = CONFLICT "already-settled" "The incarnation is settled"
        "What has been counted stays counted, and what is excluded is excluded already. An excluded incarnation can \
         still be counted.";
    NODE_NOT_FOUND = NOT_FOUND "node-not-found" "There is no such node"
        "This node is not known here. A store retires its own kiosks, headquarters the nodes that come to it themselves.";
    NOT_ITS_PARENT = CONFLICT "not-its-parent" "Another decides about the node"
        "A kiosk's node hangs on its store's node: it is retired there. Headquarters itself is never retired.";
    NOT_SETTLED = CONFLICT "not-settled" "The incarnation does not count"
        "What is set apart or excluded has nothing that it could leave. Settle it first.";
    ALREADY_RETIRED = CONFLICT "already-retired" "The node is retired already"
        "It was retired before, in this incarnation. Where it came back it has another one.";
    NOT_RETIRED = CONFLICT "not-retired" "The node is not retired"
        "Only what a retired node left can be released.";
    FIGURES_BEHIND = CONFLICT "figures-behind" "Not everything has been counted yet"
        "A node is retired at the last of its records, and some that came are still being counted. Ask again in a \
         moment.";
    RETIREMENT_ROW = CONFLICT "retirement-row" "A row cannot be closed"
        "What the node handed on has not been taken over yet, or a register is as large as it can be. Ask again in a \
         moment; `verify` says more.";
    WORDS_MISSING = UNPROCESSABLE_ENTITY "words-missing" "Nobody says why"
        "A decision is kept for ever with its reason: 1 to 500 characters that say something.";
    FEED_NAME = UNPROCESSABLE_ENTITY "feed-name" "A feed's name is not valid"
        "A feed's name has 1 to 40 lower-case letters a to z, digits, '-' or '_'.";
    FEED_ENTRY = UNPROCESSABLE_ENTITY "feed-entry" "An entry of a feed is not valid"
        "An entry has a key and a body of JSON, or none where the key is gone, together at most 16 KiB. Nothing was \
         published.";
    TOKEN_NAME = UNPROCESSABLE_ENTITY "token-name" "A token's name is not valid"
        "A name has 1 to 60 characters, none of them control characters.";
    TOKEN_NAME_TAKEN = CONFLICT "token-name-taken" "A token of this name was issued before"
        "Names of tokens are never used again, so that a name in the log means one token.";
    TOKEN_NOT_FOUND = NOT_FOUND "token-not-found" "There is no good token of this name"
        "No token of this name was issued, or it was revoked before.";

    // The node itself.
    NOT_PRIMARY = SERVICE_UNAVAILABLE "not-primary" "This node does not sell now"
        "It is a standby, or its standby has taken its place. Nothing was done. The member `primary` says who sells; ask \
         there, with the same Idempotency-Key. `GET /v1/role` says the same to anyone.";
    CANNOT_PROMOTE = CONFLICT "cannot-promote" "The standby cannot take the place of the primary"
        "The detail says why. It has no copy yet, or its disk failed.";
    OVERLOADED = SERVICE_UNAVAILABLE "overloaded" "The node is overloaded"
        "More requests are under way than the node takes. Nothing was done. Repeat after what Retry-After says.";
    TOO_MANY_STREAMS = SERVICE_UNAVAILABLE "too-many-streams" "Too many event streams are open"
        "The node serves a bounded number of event streams. Close one, or ask again later.";
    DISK_FULL = SERVICE_UNAVAILABLE "disk-full" "The node's disk is full"
        "Nothing was done. Selling goes on by itself as soon as there is room; repeat with the same key then.";
    STORAGE_FAILED = SERVICE_UNAVAILABLE "storage-failed" "The node's storage failed"
        "The disk or the database did not take or give what was asked. Nothing was done. The node's log has the \
         cause under the number in `instance`.";
    STOPPING = SERVICE_UNAVAILABLE "stopping" "The node is stopping"
        "Nothing is taken any more. Repeat with the same key once the node is back.";
    NOT_READY = SERVICE_UNAVAILABLE "not-ready" "The node is not ready"
        "The node has started but cannot sell; the detail says what it waits for.";
    INTERNAL = INTERNAL_SERVER_ERROR "internal-error" "A defect of the node"
        "This should not happen. The node's log has the cause under the number in `instance`. Repeat with the same \
         key: a request is done once or not at all.";
}

//! Seeds that once broke a promise, and why. What a seed stands for changes with the simulator, so a seed alone proves
//! little after a while; the list says what has been found.

/// Of the pure level.
pub const PURE: &[(u64, &str)] = &[
    (
        2,
        "a record appended while the incarnations were being read was not sent",
    ),
    (
        6,
        "a copy believed the other branch's acknowledgement, and left its own records behind",
    ),
    (
        16,
        "a late refusal of a withheld record stopped its incarnation for good",
    ),
    (
        23,
        "one session too many made headquarters forget all sessions of a node",
    ),
    (0, "pages of a feed were sent to dead sessions for ever"),
    (
        63,
        "a headquarters that was set back was not offered the common part of a branch that had been left",
    ),
    (
        263,
        "the repair of a withheld copy of a record counted it a second time",
    ),
    (
        2_562_424_903,
        "a copied disk offered records for ever that lay where headquarters, set back, had accepted a hole",
    ),
    (
        6_627,
        "the operator sought a record that could not be read on disks that had it in that very place, and not its copies",
    ),
    (5_062, "the same"),
];

/// Of the full level.
pub const FULL: &[(u64, &str)] = &[
    (
        9,
        "headquarters said that a node was complete while an older incarnation of it lacked what it had told of",
    ),
    (
        2_456_341_124,
        "of two connections of one incarnation the second told of less, and was forgotten when the first was another branch's",
    ),
    (
        2_456_341_160,
        "the model took a copy for counted whose original came under an incarnation that does not count",
    ),
];

/// Of the shelf level.
pub const SHELF: &[(u64, &str)] = &[
    (
        5053,
        "the last record of a retired life came before anybody knew that it was the last, and its holds never ended",
    ),
    (6015, "the same, where the life ended by hearing that it was retired"),
    (
        35,
        "what a retired replica owed was settled by nobody: its parent takes it over now",
    ),
    (1026, "the same, after two restores"),
    (
        29,
        "an engine that had less than a grain to send home was woken a thousand times a second",
    ),
    (
        26,
        "an engine that lacked stock, and knew of nobody who had any, was woken a thousand times a second",
    ),
    (
        184,
        "a neighbour that had died was counted on until its link was known to be cut, and nobody else was asked",
    ),
    (
        419,
        "less was missing than had been asked for, and a neighbour that had too little for the whole was not asked again",
    ),
    (
        28,
        "those who were not known to have rights were asked only once all the others had answered",
    ),
    (
        1131,
        "a grant stood behind the journal of a long cut, which the simulator sent up too slowly for a customer's wait",
    ),
    (
        1684,
        "nobody had committed for long when peace came, and rows were compared in the moment in which the last link was mended",
    ),
    (7441, "the same, with two links"),
    (9540, "the same, with the link of a store"),
    (9771, "the same, with three links"),
    (
        1634,
        "the same again: what was said to customers who still waited when peace came was taken for noise in silence",
    ),
    (2002, "the same noise, with replicas that hear that they are retired"),
    (4353, "the same noise"),
    (6052, "the same noise"),
    (7390, "the same noise"),
    (8982, "the same noise"),
    (
        2644,
        "a store that asked all its kiosks had no room left to send what it had given to one of them",
    ),
    (5968, "the same, with three items"),
    (6777, "the same, for one line of two"),
    (
        3529,
        "rights that came little by little went to those who wanted little, until the time of the first who wanted much was over",
    ),
    (4110, "the same, with one item"),
    (
        1828,
        "the same, and the check forgot that rights which stand against a store's debt promise nothing",
    ),
    (
        8903,
        "customers who shared a request were all answered when the last of them gave up, too late for the first",
    ),
    (5065, "the check counted on the rights of a retired kiosk"),
    (
        9056,
        "the same: a retired kiosk that had not heard of it asked its parent, which gives it nothing",
    ),
    (
        374,
        "a store asked its kiosks one after the other, each for what was believed to be there, until the time was over",
    ),
    (
        2404,
        "in a rush of fifty kiosks for the last units the store had no room left to ask one that had some",
    ),
    (2926, "the same"),
    (
        3854,
        "the same, while it asked again and again one that had rights which its own customers waited for",
    ),
    (4630, "the same"),
    (6199, "the same"),
    (
        9622,
        "a kiosk whose own customer went without kept what its store had asked it for in vain",
    ),
    (
        977,
        "kiosks were told that there is nothing in the instant in which the store's own customer went without what was kept",
    ),
    (
        5447,
        "a kiosk's wish that had waited while it was retired was granted, and nobody ever took it over",
    ),
    (9581, "the same, twice"),
    (
        7106,
        "a grant that was lost three times was sent again long after its customer had gone, though the kiosk asked again",
    ),
];

/// Of the shelf level on real disks.
pub const SHELF_FULL: &[(u64, &str)] = &[
    (
        12,
        "a disk that moved, was retired and then restored ended its life twice, in the model",
    ),
    (30, "a life of which nobody had heard was retired, by the model"),
    (
        59,
        "a hold was refused for want of anybody to ask in the instant in which an operator released what it wanted",
    ),
    (
        162,
        "the check counted on a store whose journal stood because its introduction had not been answered",
    ),
];

pragma solidity 0.8.28;

/// What both gateway peers have in common: one owner, a pause, and a way for a test to have
/// any log at all come from the contract's own address.
abstract contract Admin {
    address public immutable owner;
    bool public paused;
    /// Responses to this request (the highest number: to all) revert with an error of no profile.
    uint256 public odd;

    error NotOwner(address sender);
    error EnforcedPause();
    error OfNoProfile(uint256 request, address sender);

    constructor() {
        owner = msg.sender;
    }

    modifier onlyOwner() {
        if (msg.sender != owner) revert NotOwner(msg.sender);
        _;
    }

    /// Guards the responses only: a paused gateway still shows its requests.
    modifier whenNotPaused() {
        if (paused) revert EnforcedPause();
        if (odd != 0) {
            uint256 request = uint256(bytes32(msg.data[4:36]));
            if (odd == request || odd == type(uint256).max) revert OfNoProfile(request, msg.sender);
        }
        _;
    }

    function pause() external onlyOwner {
        paused = true;
    }

    function unpause() external onlyOwner {
        paused = false;
    }

    function setOdd(uint256 request) external onlyOwner {
        odd = request;
    }

    /// Emits a log with exactly these topics (at most four) and this data.
    function emitRaw(bytes32[] calldata topics, bytes calldata data) external onlyOwner {
        emitLog(topics, data);
    }

    /// The same with zero bytes behind the data, up to a size that no transaction can carry.
    function emitPadded(bytes32[] calldata topics, bytes calldata data, uint256 size) external onlyOwner {
        bytes memory padded = new bytes(size);
        for (uint256 i = 0; i < data.length; i++) padded[i] = data[i];
        emitLog(topics, padded);
    }

    function emitLog(bytes32[] calldata topics, bytes memory d) private {
        require(topics.length <= 4, "at most four topics");
        bytes32[4] memory t;
        for (uint256 i = 0; i < topics.length; i++) t[i] = topics[i];
        uint256 n = topics.length;
        assembly {
            let p := add(d, 0x20)
            let l := mload(d)
            switch n
            case 0 { log0(p, l) }
            case 1 { log1(p, l, mload(t)) }
            case 2 { log2(p, l, mload(t), mload(add(t, 0x20))) }
            case 3 { log3(p, l, mload(t), mload(add(t, 0x20)), mload(add(t, 0x40))) }
            default { log4(p, l, mload(t), mload(add(t, 0x20)), mload(add(t, 0x40)), mload(add(t, 0x60))) }
        }
    }
}
